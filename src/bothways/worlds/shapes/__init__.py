"""The shapes world: one to six coloured shapes of two sizes on a plain ground. What a scene is stands in `scene.py`."""
