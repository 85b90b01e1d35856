#!/usr/bin/env bash
# Keras 3.15.1: `import keras` imports scikit-learn, if it is there.
#
# Keras has wrappers for scikit-learn's interface. One would guess that who does not use them does not pay for them, as
# scikit-learn is no dependency of Keras. But where the package happens to be installed it is imported, with much of scipy behind
# it: a second or two of every start, a fifth of it all, and hundreds of modules, by a package that is there for tests only.
#
# Defectory's images install scikit-learn for no service, and its workers are forked off one process that has imported Keras.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 numpy==2.4.6 scipy==1.17.1 jax==0.10.2 jaxlib==0.10.2
cat > modules.py <<'PY'
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
import keras
print(len([name for name in sys.modules if name.split(".")[0] == "sklearn"]))
PY
without=$(venv/bin/python modules.py)
venv/bin/pip install --quiet --disable-pip-version-check scikit-learn==1.9.1
with=$(venv/bin/python modules.py)
echo "modules of scikit-learn behind 'import keras': $without where it is not installed, $with where it is"
test "$without" -eq 0 && test "$with" -gt 50
echo "keras 3.15.1: as described"
