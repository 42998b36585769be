"""Raw frames with known physics and real headers: for the demonstration, the tests, the benchmarks.

======================= ==========================================================================
``detector``            the physics of one detector, from bias to saturation
``climate``             how detectors drift with season and night
``ccdcam uves muse``    the instruments of the planned nights: detectors, averages, headers
``hawki naco visir``    infrared instruments of ESO: single integrations, and means of several
``giraffe vimos``       spectrographs and imagers whose recipes want whole detectors
``patterns``            how light falls on a spectrograph: orders of UVES, slices of MUSE
``templates``           what is taken, what goes wrong in it, what should come of it
``frames``              a template's frames on disk: `simulate_frames`
``nights``              three planned nights: `demo_nights`, `write_night`
``truth``               what was put into the frames of a directory: `read_expectations`
``history``             two years of QC1 rows before the first night: `write_history`
======================= ==========================================================================

All chance comes from names (``seeds``): the same frame is the same to the byte, whenever it is made.
"""
