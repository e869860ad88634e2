# Poses a Skeleton3D in Godot 4 from a running show. Not run here: there was no Godot 4 where the tests run; its
# syntax is parsed, and all that it calls in corybant_stream.gd is tested in Godot 3.
# Bones are found by name: those of Godot's humanoid profile (Hips, LeftUpperArm, ...), or what `bone_of` says.
extends Node

signal skeleton_changed(body)
signal posed(pose) # every pose as it arrives

@export var url := "ws://127.0.0.1:8765/ws"
@export var delay_s := 0.05
@export var performer := 0
@export var skeleton_path: NodePath
@export var bone_of := {} # joint name -> bone name, where the rig's names differ

var stream = preload("corybant_stream.gd").new()

var _socket: WebSocketPeer = null
var _retry_s := 0.0
var _heard_s := 0.0
var _known := 0
var _bones: Array = [] # per bone of the rig: its joint, -1 = none
var _bone_parents: Array = []
var _rests: Array = []
var _scale := 1.0


func _ready() -> void:
	stream.delay_s = delay_s


func now_s() -> float:
	return Time.get_ticks_usec() / 1000000.0


func _process(_delta: float) -> void:
	if _socket == null and now_s() >= _retry_s:
		_connect()
	if _socket != null:
		_socket.poll()
		while _socket.get_ready_state() == WebSocketPeer.STATE_OPEN and _socket.get_available_packet_count() > 0:
			var packet := _socket.get_packet()
			_take(packet, _socket.was_string_packet())
		if _socket.get_ready_state() == WebSocketPeer.STATE_CLOSED or now_s() - _heard_s > stream.SILENCE_S:
			_lost()
	var pose = stream.shown(now_s())
	if pose != null:
		_show(pose)


func _connect() -> void:
	_socket = WebSocketPeer.new()
	_heard_s = now_s()
	if _socket.connect_to_url(url) != OK:
		_lost()


func _lost() -> void:
	_socket = null
	_retry_s = now_s() + stream.next_wait_s()


func _take(packet: PackedByteArray, is_text: bool) -> void:
	if not is_text:
		var pose = stream.take_pose(packet, now_s())
		if pose != null:
			_heard_s = now_s()
			posed.emit(pose)
		return
	stream.take_message(JSON.parse_string(packet.get_string_from_utf8()))
	if stream.skeletons != _known:
		_known = stream.skeletons
		_find_bones()
		skeleton_changed.emit(stream.skeleton)


func _rig() -> Skeleton3D:
	return get_node_or_null(skeleton_path) as Skeleton3D


func _find_bones() -> void:
	var rig := _rig()
	if rig == null:
		return
	_bones = []
	_bone_parents = []
	_rests = []
	for bone in range(rig.get_bone_count()):
		var q := rig.get_bone_rest(bone).basis.get_rotation_quaternion()
		_rests.push_back([q.x, q.y, q.z, q.w])
		_bone_parents.push_back(rig.get_bone_parent(bone))
		_bones.push_back(-1)
	for joint in range(stream.skeleton.names.size()):
		var joint_name: String = stream.skeleton.names[joint]
		var bone := rig.find_bone(bone_of.get(joint_name, stream.BONES.get(joint_name, joint_name)))
		if bone >= 0:
			_bones[bone] = joint
	var hips := _bones.find(0)
	var high: float = rig.get_bone_global_rest(hips).origin.y if hips >= 0 else 0.0
	_scale = high / stream.hip_height(stream.skeleton) if high > 0.0 else 1.0


func _show(pose: Dictionary) -> void:
	var rig := _rig()
	if rig == null or performer >= pose.performers.size() or _bones.size() != rig.get_bone_count():
		return
	rig.visible = pose.visible
	var body: Dictionary = pose.performers[performer]
	var locals: Array = stream.pose_rig(_bone_parents, _rests, _bones, stream.skeleton.parents, body.rotations)
	for bone in range(locals.size()):
		if _bones[bone] < 0:
			continue
		var q: Array = locals[bone]
		rig.set_bone_pose_rotation(bone, Quaternion(q[0], q[1], q[2], q[3])) # Godot 4 poses are told against the parent
		if _bones[bone] == 0:
			var above := Transform3D.IDENTITY
			if _bone_parents[bone] >= 0:
				above = rig.get_bone_global_rest(_bone_parents[bone])
			var root := Vector3(body.root[0], body.root[1], body.root[2]) * _scale
			rig.set_bone_pose_position(bone, above.affine_inverse() * root)
