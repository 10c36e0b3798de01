#!/usr/bin/env bash
# The commands behind everything in this folder, from MNIST: they train what is not trained yet (in runs/), store the
# records here, and make the tables, the figures and the README's numbers from them. Some 200 runs of one to five minutes
# each on one core. Run twice, nothing is trained or measured twice; stopped, it goes on where it was. For clean
# provenance, run it in a clean checkout.
#
#   LENET1998_DATA=~/mnist results/record.sh
set -euo pipefail
[ -z "${LENET1998_DATA:-}" ] || export LENET1998_DATA=$(realpath "$LENET1998_DATA")
cd "$(dirname "$0")/.."

reproduce() { python reproduce.py --dataset mnist "$@"; }
# once NAME COMMAND...: what is no run, and so is not found again by itself.
once() {
    local done=runs/measured/$1
    [ -e "$done" ] || { "${@:2}" && mkdir -p runs/measured && touch "$done"; }
}

# The study (lenet1998/study.py), which reads no test set: all readings once, then the five nearest to figure 5.
reproduce --table screening --record
reproduce --table screening --seeds 3 --record --only study-half-j10-k1.2-constant study-half-j10-k1-constant \
    study-half-j1-k1.2-constant study-half-j1-k1-constant study-half-j0.1-k1-constant

# The results: both networks, then training-set sizes and distortions, then single changes.
reproduce --table 1 --seeds 10 --record
reproduce --figure 6 --seeds 5 --record
reproduce --table 3 --seeds 10 --record --only lenet5-distorted
reproduce --table 2 --seeds 3 --record
reproduce --table 2 --seeds 10 --record --only change-top-4  # of the single changes the nearest to figure 5

# What is not a run: how the literal recipe fails, nearest neighbours, the digits that figures draw, speed.
once saturation python -m lenet1998.saturation --record
once neighbours python -m lenet1998.neighbours --record
once benchmark python benchmarks/online.py --json results/benchmark.json
python -m paper_figures.digits

# The sample, with which the package is checked.
python reproduce.py --dataset sample --table 1 --record

python reproduce.py --recorded --all
python -m paper_figures.readme
