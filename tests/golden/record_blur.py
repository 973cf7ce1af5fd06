#!/usr/bin/env python3
"""Records what scipy's Gaussian filter makes of a pattern, as the table that more_augmentations_test.cc includes.

    python3 tests/golden/record_blur.py > tests/core/data/augmentation/recorded_blur.inc          (pip install scipy)

Pixel i of the image [2, 7, 9] is (37 i + 11) mod 251; beyond the edge stands the nearest one, the filter ends at three
sigma.
"""
import math

import numpy as np
from scipy.ndimage import gaussian_filter

image = ((np.arange(2 * 7 * 9) * 37 + 11) % 251).astype(np.float64).reshape(2, 7, 9)
print("// Made by tests/golden/record_blur.py with scipy: sigma, and the blurred pixels.")
for sigma in (0.4, 1.3, 5.0):
    blurred = np.stack([gaussian_filter(plane, sigma, mode="nearest", radius=math.ceil(3 * sigma)) for plane in image])
    print(f"{{{sigma}, {{{', '.join(f'{v:.7g}' for v in blurred.ravel())}}}}},")
