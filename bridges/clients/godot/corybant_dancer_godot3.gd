extends Node
# Poses a Skeleton in Godot 3 (3.2 or newer) from a running show. Tested headless with Godot 3.2.3.
# Bones are found by name: those of Godot's humanoid profile (Hips, LeftUpperArm, ...), or what `bone_of` says.

signal skeleton_changed(body)
signal posed(pose) # every pose as it arrives

export var url = "ws://127.0.0.1:8765/ws"
export var delay_s = 0.05
export var performer = 0
export var skeleton_path = NodePath()
export var bone_of = {} # joint name -> bone name, where the rig's names differ

var stream = preload("corybant_stream.gd").new()

var _socket = null
var _retry_s = 0.0
var _heard_s = 0.0
var _known = 0
var _bones = [] # per bone of the rig: its joint, -1 = none
var _bone_parents = []
var _rests = []
var _scale = 1.0


func _ready():
	stream.delay_s = delay_s


func now_s():
	return OS.get_ticks_usec() / 1000000.0


func _process(_delta):
	if _socket == null and now_s() >= _retry_s:
		_connect()
	if _socket != null:
		_socket.poll()
		if _socket != null and now_s() - _heard_s > stream.SILENCE_S:
			_lost()
	var pose = stream.shown(now_s())
	if pose != null:
		_show(pose)


func _connect():
	_socket = WebSocketClient.new()
	for event in ["connection_error", "connection_closed", "server_disconnected"]:
		_socket.connect(event, self, "_lost")
	_socket.connect("data_received", self, "_receive")
	_heard_s = now_s()
	if _socket.connect_to_url(url) != OK:
		_lost()


func _lost(_clean = false):
	_socket = null
	_retry_s = now_s() + stream.next_wait_s()


func _receive():
	var peer = _socket.get_peer(1)
	while peer.get_available_packet_count() > 0:
		var packet = peer.get_packet()
		if peer.was_string_packet():
			var parsed = JSON.parse(packet.get_string_from_utf8())
			stream.take_message(parsed.result if parsed.error == OK else null)
			if stream.skeletons != _known:
				_known = stream.skeletons
				_find_bones()
				emit_signal("skeleton_changed", stream.skeleton)
		else:
			var pose = stream.take_pose(packet, now_s())
			if pose != null:
				_heard_s = now_s()
				emit_signal("posed", pose)


func _rig():
	return get_node_or_null(skeleton_path) if not skeleton_path.is_empty() else null


func _find_bones():
	var rig = _rig()
	if rig == null:
		return
	_bones = []
	_bone_parents = []
	_rests = []
	for bone in range(rig.get_bone_count()):
		var q = rig.get_bone_rest(bone).basis.get_rotation_quat()
		_rests.push_back([q.x, q.y, q.z, q.w])
		_bone_parents.push_back(rig.get_bone_parent(bone))
		_bones.push_back(-1)
	for joint in range(stream.skeleton.names.size()):
		var name = stream.skeleton.names[joint]
		var bone = rig.find_bone(bone_of.get(name, stream.BONES.get(name, name)))
		if bone >= 0:
			_bones[bone] = joint
	var high = _global_rest(rig, _bones.find(0)).origin.y
	_scale = high / stream.hip_height(stream.skeleton) if high > 0.0 else 1.0


func _global_rest(rig, bone):
	var place = Transform.IDENTITY
	while bone >= 0:
		place = rig.get_bone_rest(bone) * place
		bone = rig.get_bone_parent(bone)
	return place


func _show(pose):
	var rig = _rig()
	if rig == null or performer >= pose.performers.size() or _bones.size() != rig.get_bone_count():
		return
	rig.visible = pose.visible
	var body = pose.performers[performer]
	var locals = stream.pose_rig(_bone_parents, _rests, _bones, stream.skeleton.parents, body.rotations)
	for bone in range(locals.size()):
		if _bones[bone] < 0:
			continue
		var rest = rig.get_bone_rest(bone)
		var q = locals[bone]
		var target = Transform(Basis(Quat(q[0], q[1], q[2], q[3])), rest.origin)
		if _bones[bone] == 0:
			var root = Vector3(body.root[0], body.root[1], body.root[2]) * _scale
			target.origin = _global_rest(rig, _bone_parents[bone]).affine_inverse().xform(root)
		rig.set_bone_pose(bone, rest.affine_inverse() * target) # Godot 3 poses are told against the rest
