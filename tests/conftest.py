"""Tests start many processes of ours: each uses what an earlier one compiled, also where the environment says no."""

from __future__ import annotations

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
