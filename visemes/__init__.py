"""Mouths: inventories of shapes, the rules that choose them, tracks of frames, cue files.

Every rule about mouths stands in one table, visemes/inventories/*.yaml. This package imports
nothing by itself: `visemes.classes` must be free of everything but Python.
"""
