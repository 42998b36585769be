"""Raw frames with known physics and real headers: for the demonstration, the tests, the benchmarks.

======================= ==========================================================================
``detector``            the physics of one detector, from bias to saturation
``climate``             how detectors drift with season and night
``ccdcam uves muse``    the instruments: detectors, averages, headers
``templates``           what is taken, what goes wrong in it, what should come of it
``frames``              a template's frames on disk: `simulate_frames`
``nights``              three planned nights: `demo_nights`, `write_night`
``truth``               what was put into the frames of a directory: `read_expectations`
``history``             two years of QC1 rows before the first night: `write_history`
======================= ==========================================================================

All chance comes from names (``seeds``): the same frame is the same to the byte, whenever it is made.
"""
