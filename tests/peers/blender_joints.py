"""Runs inside Blender: imports motion files with Blender's own importers and prints where the joints are.

    blender -b --factory-startup -P blender_joints.py -- FRAMES FILE ...

Prints ``JOINTS {file: {joint: [[x, y, z], ...]}}`` in metres and the house's axes (Blender's Z is our Y).
"""

import builtins
import json
import sys

import bpy
import numpy

for name in ("bool", "int", "float", "object"):  # Blender 3.4's importer uses what numpy has dropped since
    if name not in numpy.__dict__:
        setattr(numpy, name, getattr(builtins, name))
_open = builtins.open
builtins.open = lambda file, mode="r", *more, **named: _open(file, mode.replace("U", ""), *more, **named)


def joints_of(path, frames):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 60
    if path.endswith(".bvh"):
        bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, update_scene_fps=True)
        assert (scene.render.fps, scene.render.fps_base) == (60, 1.0), scene.render.fps
    else:
        bpy.ops.import_scene.gltf(filepath=path)
    armatures = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    found = {}
    first = 1 if path.endswith(".bvh") else 0  # where each importer puts the first frame
    for frame in range(first, first + frames):
        scene.frame_set(frame)
        if armatures:
            (armature,) = armatures
            places = {bone.name: armature.matrix_world @ bone.head for bone in armature.pose.bones}
        else:
            places = {thing.name: thing.matrix_world.translation for thing in bpy.data.objects}
        for name, (x, y, z) in places.items():
            found.setdefault(name, []).append([x, z, -y])
    return found


arguments = sys.argv[sys.argv.index("--") + 1 :]
print("JOINTS", json.dumps({path: joints_of(path, int(arguments[0])) for path in arguments[1:]}))
