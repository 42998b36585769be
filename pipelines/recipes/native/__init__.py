r"""Our own calibration recipes, for any detector, run as a process the way EsoRex runs ESO's.

::

    python -m pipelines.recipes.native RECIPE SOF --output-dir=DIR \
        --products-sof=DIR/products.json --log-file=DIR/run.log [--name=value ...]

A set of frames (SOF) is text, ``path TAG`` a line; ``#`` starts a comment.
A frame is a FITS file with an image in its primary HDU, or with one image extension a detector.
``ESO DET OUT1 PRSCX/PRSCY/OVSCX/OVSCY`` (extension first, then primary) say what is prescan and
overscan; the products hold the light-sensitive part alone.

======== ============ ===================================== =========================================
recipe   frames       calibrations                          products
======== ============ ===================================== =========================================
hcm_bias ``BIAS``                                           ``MASTER_BIAS``
hcm_dark ``DARK``     ``MASTER_BIAS``                       ``MASTER_DARK``, ``HOT_PIXEL_MAP``
hcm_flat ``FLAT``     ``MASTER_BIAS``, may: ``MASTER_DARK`` ``MASTER_FLAT``, ``BAD_PIXEL_MAP``
======== ============ ===================================== =========================================

Each master carries the first raw frame's header, the provenance (``ESO PRO ...``), and its quality
measurements: those of a detector in the HDU of that detector, the frame counts in the primary.

===================== ========= ===========================================================
keyword (``ESO ...``) unit      meaning
===================== ========= ===========================================================
QC BIAS LEVEL         ADU       median of the master bias, interpolated within the ADU step
QC BIAS OVERSCAN      ADU       mean level of prescan and overscan; absent without them
QC BIAS RON RAW       ADU       read noise of one frame, from differences of frames
QC BIAS RON MASTER    ADU       noise of the master once row and column means are taken out
QC BIAS STRUCT X      ADU       scatter of the column means: structure along x
QC BIAS STRUCT Y      ADU       scatter of the row means: structure along y
QC BIAS NOUTLIER                pixels of the master far from row and column means
QC DARK CURRENT       e-/h/pix  clipped mean of the master dark
QC DARK MEDIAN        ADU       median of the master dark, for the exposure time as taken
QC DARK RON           ADU       read noise of one dark, shot noise included
QC DARK NHOT                    hot pixels
QC FLAT LEVEL         ADU       median of the flat above bias (and dark)
QC FLAT FLUX          ADU/s     that level over the exposure time: the brightness of the lamp
QC FLAT GAIN          e-/ADU    conversion factor from the noise of a pair (photon transfer)
QC FLAT FPN           %         what two flats have in common at small scale: pixel response
QC FLAT NBAD                    pixels whose response differs much from their surroundings
QC FLAT NSATUR                  saturated pixels in the frames that were combined
QC <KIND> NFRAMES               frames combined, also ``PRO DATANCOM``
QC <KIND> NDROPPED              frames left out because they are saturated
===================== ========= ===========================================================

============= ======= ======================================================================
parameter     default meaning
============= ======= ======================================================================
min-frames    3       frames needed for a master
saturation    65535   level from which a pixel is saturated (ADU), at most the file's own top
max-saturated 0.01    part of saturated pixels that drops a frame
outlier-kappa 8       hcm_bias: distance of an outlier, in sigma
hot-kappa     10      hcm_dark: distance of a hot pixel, in sigma
bad-below     0.7     hcm_flat: lowest good response, of the surroundings
bad-above     1.3     hcm_flat: highest good response, of the surroundings
============= ======= ======================================================================

The result of a call is its exit code; the codes are those of CPL and EsoRex where they have one, so
that a caller needs one list: 0 success, 5 input/output, 6 damaged file, 9 file not found,
10 keyword not found, 13 inputs do not fit together, 14 illegal input, 66 disk full,
67 permission denied, 134 out of memory, 255 wrong call, 70 unexpected (with a traceback in the log).
``products.json`` appears at success alone. A frame left out makes a WARNING with the word
"dropped"; the caller sees the same in ``PRO DATANCOM``.
"""

VERSION = "1.0.0"
