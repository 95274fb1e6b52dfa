"""Loads an adapter with PEFT: no key may be missing, left over or changed; then its logits, in f32.

Usage: check_adapter.py MODEL_FOLDER ADAPTER_FOLDER (--ids 1,2,3 | --text TEXT) [--out OUT.safetensors]
       [--against OURS.safetensors] [--tolerance 1e-3]
"""

import argparse

from check_logits import main

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("adapter")
main(arguments, 1e-3)
