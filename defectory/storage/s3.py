"""A store in a bucket of any S3-compatible server, through the MinIO SDK."""

import hashlib
import io
import random
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from defectory.errors import (
    AlreadyExists,
    Corrupted,
    DefectoryError,
    Exhausted,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)
from defectory.storage.keys import Rooted, check_key
from defectory.storage.s3_settings import AUTHORITIES, S3Settings
from defectory.storage.store import CHUNK_BYTES, ObjectInfo
from defectory.storage.whole_file import whole_file

MD5_ETAG = re.compile(r"[0-9a-f]{32}")
NOT_FOUND = {"NoSuchKey", "NoSuchBucket", "ResourceNotFound", "NoSuchObject"}
REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "Forbidden"}
CUTS = 4  # answers to one read that may end too early; those that never come are urllib3's to ask for again
EXHAUSTED = {"XMinioStorageFull", "QuotaExceeded", "EntityTooLarge", "InsufficientStorage"}


class _WrittenAnew(Unavailable):
    """The object is another than when its first bytes were read."""


class S3Store(Rooted):
    """ObjectStore over a bucket, optionally under a prefix."""

    def __init__(self, bucket: str, prefix: str, settings: S3Settings, *, make: bool = True) -> None:
        super().__init__(f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        # Retries are bounded, with jitter so that many clients do not come back at the same moment.
        retries = urllib3.Retry(
            total=4, backoff_factor=0.2, backoff_jitter=0.2, status_forcelist=(500, 502, 503, 504), allowed_methods=None
        )
        timeout = urllib3.Timeout(connect=5, read=60)
        self._http = urllib3.PoolManager(maxsize=32, timeout=timeout, retries=retries, ssl_context=settings.tls)
        try:
            with self._errors(""):
                self._client = Minio(
                    settings.endpoint,
                    secure=settings.secure,
                    region=settings.region,
                    credentials=settings.credentials,
                    http_client=self._http,
                )
                self._find_bucket(make)
        except Unavailable as error:
            if why := _untrusted(error):  # which no waiting mends
                right = f"name the PEM file of the authority that signed it in {AUTHORITIES[0]}"
                message = f"{self.url}: the certificate of {settings.endpoint} is not trusted ({why}): {right}"
                raise InvalidInput(message, {AUTHORITIES[0]: right}) from error
            raise

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write an object; with if_absent, AlreadyExists when the key is taken."""
        with self._errors(key):
            etag = self._put_if_absent(key, data) if if_absent else self._put(key, data)
        return ObjectInfo(key, len(data), etag)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write a file's content, in parts when it is large."""
        with self._errors(key):
            result = self._client.fput_object(self._bucket, self._name(key), str(path))
        return ObjectInfo(key, path.stat().st_size, result.etag or "")

    def get(self, key: str) -> bytes:
        """Read a whole object; Corrupted when it is not what the server says it is."""
        for _ in range(CUTS):
            with suppress(_WrittenAnew):  # of what nobody has seen yet the new content is as good
                return b"".join(self.stream(key))
        return b"".join(self.stream(key))

    def stream(self, key: str) -> Iterator[bytes]:
        """Read an object piece by piece; Corrupted at the end when it is not what the server says it is.

        An answer that is cut off is gone on with behind what has arrived; Unavailable where the object is another now.
        """
        digest, size, cuts = hashlib.md5(usedforsecurity=False), 0, 0
        headers: Mapping[str, str] = {}  # the first answer's own, since servers differ in their names' capitals
        with self._errors(key):
            while True:
                try:
                    with self._answer(key, size) as response:
                        headers = headers or response.headers
                        if response.headers.get("ETag") != headers.get("ETag"):
                            raise _WrittenAnew(f"{self.uri(key)} was written anew while it was read; read it again")
                        for chunk in response.stream(CHUNK_BYTES):
                            digest.update(chunk)
                            size += len(chunk)
                            yield chunk
                    break
                except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
                    cuts += 1
                    if cuts > CUTS:
                        raise
                    time.sleep(random.uniform(0.1, 0.2) * 2**cuts)
        self._verify(key, digest.hexdigest(), size, headers)

    @contextmanager
    def _answer(self, key: str, offset: int) -> "Iterator[urllib3.BaseHTTPResponse]":
        """The answer to a get, from an offset on, in bytes."""
        response = self._client.get_object(self._bucket, self._name(key), offset=offset)
        try:
            yield response
        finally:
            response.close()
            response.release_conn()

    def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file, which appears only when it is whole."""
        with whole_file(path) as file, self._errors(key):  # a full disk here is no other error than one there
            for chunk in self.stream(key):
                file.write(chunk)

    def head(self, key: str) -> ObjectInfo:
        """Describe an object without reading it."""
        with self._errors(key):
            stat = self._client.stat_object(self._bucket, self._name(key))
        return ObjectInfo(key, stat.size or 0, stat.etag or "", stat.last_modified)

    def exists(self, key: str) -> bool:
        """Whether there is an object at the key."""
        try:
            self.head(key)
        except NotFound:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, in the order of their keys.

        Sorted here: not every server lists in the order of whole keys (SeaweedFS goes folder by folder).
        """
        with self._errors(prefix):
            items = self._client.list_objects(self._bucket, prefix=self._prefix + prefix, recursive=True)
            objects = [
                ObjectInfo(
                    str(item.object_name)[len(self._prefix) :], item.size or 0, item.etag or "", item.last_modified
                )
                for item in items
            ]
        yield from sorted(objects, key=lambda info: info.key)

    def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""
        with self._errors(key):
            self._client.remove_object(self._bucket, self._name(key))

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _find_bucket(self, make: bool) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        if not make:
            raise NotFound(f"there is no store at {self.url}")
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    def _put(self, key: str, data: bytes) -> str:
        result = self._client.put_object(self._bucket, self._name(key), io.BytesIO(data), len(data))
        return result.etag or ""

    def _put_if_absent(self, key: str, data: bytes) -> str:
        # The SDK's put_object knows no If-None-Match (7.x drops it without a word); a presigned PUT takes the header.
        url = self._client.presigned_put_object(self._bucket, self._name(key), expires=timedelta(minutes=10))
        # 409 means that another conditional write is under way: ask again until one of us has won.
        retries = self._http.connection_pool_kw["retries"].new(status_forcelist=(409, 500, 502, 503, 504))
        response = self._http.request("PUT", url, body=data, headers={"If-None-Match": "*"}, retries=retries)
        if response.status == 412:
            # An answer that got lost on its way back, and the write was asked for again: what is there may be our own.
            if _was_repeated(response) and self.get(key) == data:
                return self.head(key).etag
            raise AlreadyExists(f"{self.uri(key)} exists already")
        if response.status != 200:
            code = re.search(rb"<Code>([^<]+)</Code>", response.data)
            raise _of_code(
                code[1].decode() if code else str(response.status), f"{self.uri(key)}: HTTP {response.status}"
            )
        return response.headers.get("ETag", "").strip('"')

    def _verify(self, key: str, md5: str, size: int, headers: Mapping[str, str]) -> None:
        """Compare with the server's length and, where the ETag is one, its MD5."""
        etag = headers.get("ETag", "").strip('"')
        is_md5 = MD5_ETAG.fullmatch(etag) and headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
        if int(headers.get("Content-Length", size)) != size or (is_md5 and etag != md5):
            raise Corrupted(f"{self.uri(key)}: what arrived is not what the server says it holds")

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        what = f"{self.url}/{key}" if key else self.url
        try:
            yield
        except S3Error as error:
            raise _of_code(error.code or "", f"{what}: {error.message or error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
                raise Exhausted(f"{what}: {error}") if error.errno == 28 else Unavailable(f"{what}: {error}") from error
            raise Unavailable(f"{what}: the S3 server does not answer as it should: {error}") from error
        except ValueError as error:  # the SDK's own check of bucket names, credentials, …
            raise InvalidInput(f"{what}: {error}", {"store": str(error)}) from error


def _was_repeated(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether an earlier try got no answer, or an error: it may have written the object all the same."""
    return bool(response.retries and response.retries.history)


def _untrusted(error: Unavailable) -> str:
    """Why the server's certificate was not trusted; empty where it is something else that failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        # urllib3 keeps what it gave up on in `reason`, and in the arguments of its own errors
        inner = getattr(cause, "reason", None) or next((a for a in cause.args if isinstance(a, BaseException)), None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__
    return ""


def _of_code(code: str, message: str) -> DefectoryError:
    if code in NOT_FOUND:
        return NotFound(f"{message} does not exist" if code in message else message)
    if code in REFUSED:
        return Refused(message)
    if code in EXHAUSTED:
        return Exhausted(message)
    return Unavailable(message)
