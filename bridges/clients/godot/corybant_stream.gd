# A receiver of the Corybant stage: decoding, interpolation, back-off. Pure, without nodes, sockets or clocks.
# One text for Godot 3 and Godot 4: only what both understand (no type of a vector or a packed array is named here).
# The wire is docs/protocol.md, section 3. House frame: right-handed, +Y up, +Z forward, +X the dancer's left, metres,
# quaternions x y z w. That is Godot's frame for a model which faces +Z, as imported glTF does.
#
#   pose: {frame, time_s, sent_s, flags, visible, performers: [{root: [x, y, z], rotations: [[x, y, z, w], ...]}]}

const BLACKOUT = 2
const JUMP_S = 1.0 # more than this between two poses is another performance, not a late pose
const RISE = 0.02 # how fast the line is believed to have become slower [s/s]
const KEEP = 240
const SILENCE_S = 3.0 # there are 60 poses a second, always: silence means that the show is gone

# Bone of Godot's SkeletonProfileHumanoid for each joint.
const BONES = {
	"pelvis": "Hips", "spine1": "Spine", "spine2": "Chest", "spine3": "UpperChest", "neck": "Neck", "head": "Head",
	"left_hip": "LeftUpperLeg", "left_knee": "LeftLowerLeg", "left_ankle": "LeftFoot", "left_foot": "LeftToes",
	"right_hip": "RightUpperLeg", "right_knee": "RightLowerLeg", "right_ankle": "RightFoot", "right_foot": "RightToes",
	"left_collar": "LeftShoulder", "left_shoulder": "LeftUpperArm", "left_elbow": "LeftLowerArm", "left_wrist": "LeftHand",
	"right_collar": "RightShoulder", "right_shoulder": "RightUpperArm", "right_elbow": "RightLowerArm",
	"right_wrist": "RightHand",
}

var delay_s = 0.05 # shown this much behind the newest, so that the network's unevenness is not seen
var skeleton = null # {names, parents, offsets}, null before the first message
var skeletons = 0 # how often the body changed; look the bones up again when this grows
var refused = 0
var late = 0 # poses that were not newer than the one before

var _frames = []
var _lag_s = 0.0
var _pushed_s = 0.0
var _wait_s = 0.25


# A parsed text message: the skeleton is kept, everything else is left alone. False when it was refused.
func take_message(message):
	if typeof(message) != TYPE_DICTIONARY or not message.has("type"):
		return _refuse()
	if str(message["type"]) != "skeleton":
		return true
	var body = decode_skeleton(message)
	if body == null:
		return _refuse()
	_frames = [] # a new connection: what is left of the old one is old
	if skeleton == null or body.hash() != skeleton.hash():
		skeleton = body
		skeletons += 1
	return true


# A binary message that came at local time now_s [s]; its pose, or null when it was refused.
func take_pose(bytes, now_s):
	var frame = decode_pose(bytes)
	if frame == null or skeleton == null:
		_refuse()
		return null
	if frame.performers.size() > 0 and frame.performers[0].rotations.size() != skeleton.names.size():
		_refuse()
		return null
	_push(frame, now_s)
	_wait_s = 0.25
	return frame


# What to show at local time now_s; null before the first pose. Never goes beyond the newest.
func shown(now_s):
	if _frames.size() == 0:
		return null
	var show_s = now_s - _lag_s - delay_s
	while _frames.size() > 1 and _frames[1].time_s <= show_s:
		_frames.pop_front()
	if _frames.size() == 1:
		return _frames[0]
	return between(_frames[0], _frames[1], (show_s - _frames[0].time_s) / (_frames[1].time_s - _frames[0].time_s))


# Seconds to wait before the next attempt to connect: 0.25, doubled up to 8; from the start after a pose has come.
func next_wait_s():
	var wait_s = _wait_s
	_wait_s = min(8.0, _wait_s * 2.0)
	return wait_s


func _refuse():
	refused += 1
	return false


func _push(frame, now_s):
	# The quickest arrival says what the line takes; it is believed again only slowly, so one late pose moves nothing.
	var lag_s = now_s - frame.time_s
	if _frames.size() > 0:
		var step_s = frame.time_s - _frames[_frames.size() - 1].time_s
		if step_s > -JUMP_S and step_s <= 0.0:
			late += 1
			return
		if abs(step_s) >= JUMP_S:
			_frames = []
	if _frames.size() > 0:
		_lag_s = min(lag_s, _lag_s + RISE * max(0.0, now_s - _pushed_s))
	else:
		_lag_s = lag_s
	_pushed_s = now_s
	_frames.push_back(frame)
	if _frames.size() > KEEP:
		_frames.pop_front()


# A binary message; null when it is no whole, finite pose. Bytes after the last performer are left alone.
static func decode_pose(bytes):
	if bytes.size() < 32 or bytes[0] != 0x43 or bytes[1] != 0x50 or bytes[2] != 0x53 or bytes[3] != 0x31:
		return null
	var reader = StreamPeerBuffer.new()
	reader.data_array = bytes
	reader.big_endian = false
	reader.seek(4)
	var number = reader.get_u32()
	var time_s = reader.get_double()
	var sent_s = reader.get_double()
	var performers = reader.get_u16()
	var joints = reader.get_u16()
	var flags = reader.get_u32()
	if bytes.size() < 32 + performers * (12 + 16 * joints):
		return null
	var sum = time_s + sent_s # not finite when one of them is not
	var bodies = []
	for _p in range(performers):
		var root = [reader.get_float(), reader.get_float(), reader.get_float()]
		sum += root[0] + root[1] + root[2]
		var rotations = []
		for _j in range(joints):
			var q = [reader.get_float(), reader.get_float(), reader.get_float(), reader.get_float()]
			sum += q[0] + q[1] + q[2] + q[3]
			rotations.push_back(q)
		bodies.push_back({"root": root, "rotations": rotations})
	if is_nan(sum) or is_inf(sum):
		return null
	return {
		"frame": number, "time_s": time_s, "sent_s": sent_s, "flags": flags, "visible": (flags & BLACKOUT) == 0,
		"performers": bodies,
	}


# The skeleton message; null when it describes no body.
static func decode_skeleton(message):
	for name in ["names", "parents", "offsets"]:
		if not message.has(name) or typeof(message[name]) != TYPE_ARRAY:
			return null
	var names = message["names"]
	var parents = []
	if message["parents"].size() != names.size() or message["offsets"].size() != names.size():
		return null
	for joint in range(names.size()):
		var offset = message["offsets"][joint]
		if typeof(names[joint]) != TYPE_STRING or typeof(offset) != TYPE_ARRAY or offset.size() != 3:
			return null
		if not _is_number(message["parents"][joint]) or message["parents"][joint] >= joint:
			return null
		for value in offset:
			if not _is_number(value):
				return null
		parents.push_back(int(message["parents"][joint])) # JSON knows floats only
	return {"names": names, "parents": parents, "offsets": message["offsets"]}


static func _is_number(value):
	return typeof(value) == typeof(0) or typeof(value) == typeof(0.0)


# The pose at part u of the way from a to b, with the number and flags of a. Other bodies in b: a itself.
static func between(a, b, u):
	if u <= 0.0 or a.performers.size() != b.performers.size():
		return a
	var bodies = []
	for p in range(a.performers.size()):
		var one = a.performers[p]
		var two = b.performers[p]
		if one.rotations.size() != two.rotations.size():
			return a
		var root = []
		for i in range(3):
			root.push_back((1.0 - u) * one.root[i] + u * two.root[i])
		var rotations = []
		for j in range(one.rotations.size()):
			rotations.push_back(slerp(one.rotations[j], two.rotations[j], u))
		bodies.push_back({"root": root, "rotations": rotations})
	return {
		"frame": a.frame, "flags": a.flags, "visible": a.visible, "performers": bodies,
		"time_s": (1.0 - u) * a.time_s + u * b.time_s, "sent_s": (1.0 - u) * a.sent_s + u * b.sent_s,
	}


# From quaternion a (u = 0) to b (u = 1) on the shorter arc.
static func slerp(a, b, u):
	var dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
	var along = 1.0
	if dot < 0.0:
		along = -1.0
		dot = -dot
	var wa = 1.0 - u
	var wb = u
	if dot <= 0.9995: # closer than that the chord is the arc, and the sine too small to divide by
		var angle = acos(dot)
		wa = sin((1.0 - u) * angle) / sin(angle)
		wb = sin(u * angle) / sin(angle)
	var mixed = []
	var square = 0.0
	for i in range(4):
		mixed.push_back(wa * a[i] + along * wb * b[i])
		square += mixed[i] * mixed[i]
	if square < 1e-18:
		return [0.0, 0.0, 0.0, 1.0]
	for i in range(4):
		mixed[i] /= sqrt(square)
	return mixed


# First turn by b, then by a.
static func multiply(a, b):
	return [
		a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
		a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
		a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
		a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
	]


# Rotations of the joints against the T-pose, in the dancer's space, from those local to the parents.
static func globals(parents, locals):
	var turns = []
	for j in range(locals.size()):
		turns.push_back(locals[j] if parents[j] < 0 else multiply(turns[parents[j]], locals[j]))
	return turns


# Local rotations for the bones of a rig. bone_parents (B, -1 = none, parents first) and rests (B local rotations) are
# the rig's; joint_of (B) is the joint that moves the bone, -1 = none. The rig's rest must be a T-pose facing +Z.
static func pose_rig(bone_parents, rests, joint_of, parents, locals):
	var turns = globals(parents, locals)
	var rest_global = []
	var pose_global = []
	var pose_local = []
	for bone in range(bone_parents.size()):
		var up = bone_parents[bone]
		rest_global.push_back(rests[bone] if up < 0 else multiply(rest_global[up], rests[bone]))
		if joint_of[bone] >= 0:
			pose_global.push_back(multiply(turns[joint_of[bone]], rest_global[bone]))
		else:
			pose_global.push_back(rests[bone] if up < 0 else multiply(pose_global[up], rests[bone]))
		if up < 0:
			pose_local.push_back(pose_global[bone])
		else:
			var q = pose_global[up]
			pose_local.push_back(multiply([-q[0], -q[1], -q[2], q[3]], pose_global[bone]))
	return pose_local


# Height of the pelvis above the lowest joint in the T-pose [m]: what root positions are scaled by.
static func hip_height(body):
	var heights = []
	var lowest = 0.0
	for j in range(body.names.size()):
		heights.push_back(0.0 if body.parents[j] < 0 else heights[body.parents[j]] + body.offsets[j][1])
		lowest = min(lowest, heights[j])
	return -lowest
