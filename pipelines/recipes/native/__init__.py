r"""Our own calibration recipes, for any detector, run as a process the way EsoRex runs ESO's.

::

    python -m pipelines.recipes.native RECIPE SOF --output-dir=DIR \
        --products-sof=DIR/products.json --log-file=DIR/run.log [--name=value ...]

A set of frames (SOF) is text, ``path TAG`` a line; ``#`` starts a comment.
A frame is a FITS file with an image in its primary HDU, or with one image extension a detector.
``ESO DET OUT1 PRSCX/PRSCY/OVSCX/OVSCY`` (extension first, then primary) say what is prescan and
overscan; the products hold the light-sensitive part alone.

============= ============= ===================================== =========================================
recipe        frames        calibrations                          products
============= ============= ===================================== =========================================
hcm_bias      ``BIAS``                                            ``MASTER_BIAS``
hcm_dark      ``DARK``      ``MASTER_BIAS``                       ``MASTER_DARK``, ``HOT_PIXEL_MAP``
hcm_flat      ``FLAT``      ``MASTER_BIAS``, may: ``MASTER_DARK`` ``MASTER_FLAT``, ``BAD_PIXEL_MAP``
hcm_detmon    ``PTC``                                             ``MASTER_PTC``
hcm_linearity ``LINEARITY``                                       ``MASTER_LINEARITY``,
                                                                  ``NONLINEAR_PIXEL_MAP``
hcm_arc       ``ARC``       ``MASTER_BIAS``, may: ``MASTER_ARC``  ``MASTER_ARC``
============= ============= ===================================== =========================================

``PTC`` and ``LINEARITY`` are series: lamp exposures of many exposure times (pairs, for ``PTC``) and,
with ``EXPTIME`` 0, biases among them. ``MASTER_PTC`` and ``MASTER_LINEARITY`` are curves: images of
three rows, a column an exposure time: seconds, ADU above bias, and the variance (ADU²) or the
deviation (%). An arc's lines run along y; a former ``MASTER_ARC`` tells how far they have moved.

Each master carries the first raw frame's header, the provenance (``ESO PRO ...``), and its quality
measurements: those of a detector in the HDU of that detector, the frame counts in the primary.

======================= ========= ===========================================================
keyword (``ESO ...``)   unit      meaning
======================= ========= ===========================================================
QC BIAS LEVEL           ADU       median of the master bias, interpolated within the ADU step
QC BIAS OVERSCAN        ADU       mean level of prescan and overscan; absent without them
QC BIAS RON RAW         ADU       read noise of one frame, from differences of frames
QC BIAS RON MASTER      ADU       noise of the master once row and column means are taken out
QC BIAS STRUCT X        ADU       scatter of the column means: structure along x
QC BIAS STRUCT Y        ADU       scatter of the row means: structure along y
QC BIAS NOUTLIER                  pixels of the master far from row and column means
QC DARK CURRENT         e-/h/pix  clipped mean of the master dark
QC DARK MEDIAN          ADU       median of the master dark, for the exposure time as taken
QC DARK RON             ADU       read noise of one dark, shot noise included
QC DARK NHOT                      hot pixels
QC DARK NCOSMIC                   pixels of the first frame that cosmic particles hit
QC FLAT LEVEL           ADU       median of the flat above bias (and dark)
QC FLAT FLUX            ADU/s     that level over the exposure time: the brightness of the lamp
QC FLAT GAIN            e-/ADU    conversion factor from the noise of a pair (photon transfer)
QC FLAT FPN             %         what two flats have in common at small scale: pixel response
QC FLAT NBAD                      pixels whose response differs much from their surroundings
QC FLAT NSATUR                    saturated pixels in the frames that were combined
QC PTC GAIN             e-/ADU    conversion factor by photon transfer over all levels
QC PTC RON ADU          ADU       read noise of one frame, from the series' biases
QC PTC RON              e-        that noise in electrons
QC PTC RESID            %         scatter of variance over signal about the fit
QC PTC NLEVELS                    exposure times in the fit
QC PTC LEVEL MAX        ADU       highest level in the fit, above bias
QC PTC FULLWELL         ADU       level above bias where pixels are full; absent if not reached
QC LINEARITY COEF       1/ADU     c of level = light + c light², light in ADU
QC LINEARITY DEV        %         largest deviation from proportional, with its sign
QC LINEARITY LEVEL ONE  ADU       level where the deviation is 1 %; absent beyond those seen
QC LINEARITY RESID      %         scatter of level over time about the fit
QC LINEARITY FLUX       ADU/s     light of the lamp, at no level
QC LINEARITY LEVEL MAX  ADU       highest level in the fit, above bias
QC LINEARITY NLEVELS              exposure times in the fit
QC LINEARITY NODD                 pixels that bend otherwise than the rest
QC ARC NLINES                     lines found
QC ARC FWHM             pix       median width of the lines at half their height
QC ARC FWHM SCATTER     pix       scatter of the widths
QC ARC RESOL                      resolving power; absent unless CUNIT1 is a length
QC ARC FLUX             ADU/s     median height of the lines above the continuum
QC ARC SHIFT            pix       median shift since the former arc; absent without one
QC ARC NCOSMIC                    pixels of the first frame that cosmic particles hit
QC <KIND> NFRAMES                 frames combined, also ``PRO DATANCOM``
QC <KIND> NDROPPED                frames left out because they are saturated
======================= ========= ===========================================================

============= ======= ======================================================================
parameter     default meaning
============= ======= ======================================================================
min-frames    3       frames needed for a master; 1 for hcm_arc
saturation    65535   level from which a pixel is saturated (ADU), at most the file's own top
max-saturated 0.01    part of saturated pixels that drops a frame
outlier-kappa 8       hcm_bias: distance of an outlier, in sigma
hot-kappa     10      hcm_dark: distance of a hot pixel, in sigma
bad-below     0.7     hcm_flat: lowest good response, of the surroundings
bad-above     1.3     hcm_flat: highest good response, of the surroundings
odd-kappa     8       hcm_linearity: distance of a pixel that bends otherwise, in sigma
line-kappa    10      hcm_arc: height of a line, in sigma of the mean row
max-shift     5       hcm_arc: farthest that a line may have moved (pixels)
============= ======= ======================================================================

The result of a call is its exit code; the codes are those of CPL and EsoRex where they have one, so
that a caller needs one list: 0 success, 5 input/output, 6 damaged file, 9 file not found,
10 keyword not found, 13 inputs do not fit together, 14 illegal input, 66 disk full,
67 permission denied, 134 out of memory, 255 wrong call, 70 unexpected (with a traceback in the log).
``products.json`` appears at success alone. A frame left out makes a WARNING with the word
"dropped"; the caller sees the same in ``PRO DATANCOM``.
"""

VERSION = "1.0.0"
