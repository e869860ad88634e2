extends SceneTree
# Drives the Godot scripts in Godot 3 without a window and prints one JSON line per event (tests/client_kits.py says which).
#   godot3-server --path FOLDER -s kit_program.gd recording|live|rig ARGUMENT

var dancer = null


func _init():
	var arguments = OS.get_cmdline_args()
	var at = arguments.size() - 2
	match arguments[at]:
		"recording":
			recording(arguments[at + 1])
			quit()
		"rig":
			rig(arguments[at + 1])
			quit()
		"live":
			dancer = preload("corybant_dancer_godot3.gd").new()
			dancer.url = arguments[at + 1]
			dancer.connect("posed", self, "_posed")
			dancer.connect("skeleton_changed", self, "_changed")
			root.add_child(dancer)


func _idle(_delta):
	if dancer != null:
		var pose = dancer.stream.shown(dancer.now_s())
		if pose != null:
			say_frame("shown", pose)
	return false


func _posed(pose):
	say_frame("pose", pose)


func _changed(body):
	say_skeleton(dancer.stream, body)


func say_skeleton(stream, body):
	print('{"kind":"skeleton","count":%d,"names":%s}' % [stream.skeletons, JSON.print(body.names)])


func say_frame(kind, frame):
	if frame == null:
		print('{"kind":"refused"}' if kind == "pose" else '{"kind":"nothing"}')
		return
	var bodies = []
	for body in frame.performers:
		bodies.push_back('{"root":%s,"rotations":%s}' % [row(body.root), rows(body.rotations)])
	print('{"kind":"%s","frame":%d,"time_s":%s,"sent_s":%s,"flags":%d,"performers":[%s]}' % [
		kind, frame.frame, number(frame.time_s), number(frame.sent_s), frame.flags, comma(bodies)])


func number(value):
	return "%.12f" % value # str() rounds to six digits


func row(values):
	var texts = []
	for value in values:
		texts.push_back(number(value))
	return "[%s]" % comma(texts)


func rows(values):
	var texts = []
	for value in values:
		texts.push_back(row(value))
	return "[%s]" % comma(texts)


func comma(texts):
	return PoolStringArray(texts).join(",")


func recording(path):
	var file = File.new()
	file.open(path, File.READ)
	var stream = preload("corybant_stream.gd").new()
	while file.get_position() < file.get_len():
		var now_s = file.get_double()
		var kind = file.get_32()
		var data = file.get_buffer(file.get_32())
		if kind == 1:
			var parsed = JSON.parse(data.get_string_from_utf8())
			if stream.take_message(parsed.result if parsed.error == OK else null):
				say_skeleton(stream, stream.skeleton)
			else:
				say_frame("pose", null)
		elif kind == 2:
			say_frame("pose", stream.take_pose(data, now_s))
		else:
			say_frame("shown", stream.shown(now_s))


# A rig of its own axes, posed by the dancer's node: bones [{name, parent, origin, rotation}], body, pose.
func rig(path):
	var file = File.new()
	file.open(path, File.READ)
	var plan = JSON.parse(file.get_as_text()).result
	var skeleton = Skeleton.new()
	for bone in plan.bones:
		skeleton.add_bone(bone.name)
		var index = skeleton.get_bone_count() - 1
		skeleton.set_bone_parent(index, int(bone.parent))
		var q = bone.rotation
		var place = Vector3(bone.origin[0], bone.origin[1], bone.origin[2])
		skeleton.set_bone_rest(index, Transform(Basis(Quat(q[0], q[1], q[2], q[3])), place))
	var node = preload("corybant_dancer_godot3.gd").new()
	node.add_child(skeleton)
	skeleton.name = "Rig"
	node.skeleton_path = NodePath("Rig")
	node.stream.take_message(plan.body)
	node._find_bones()
	node._show({"visible": true, "performers": [plan.pose]})
	var posed = []
	for index in range(skeleton.get_bone_count()):
		var place = Transform.IDENTITY
		var up = index
		while up >= 0: # get_bone_global_pose needs a running tree
			place = skeleton.get_bone_rest(up) * skeleton.get_bone_pose(up) * place
			up = skeleton.get_bone_parent(up)
		posed.push_back('{"origin":%s,"x":%s,"y":%s,"z":%s}' % [
			row(three(place.origin)), row(three(place.basis.x)), row(three(place.basis.y)), row(three(place.basis.z))])
	print('{"kind":"rig","visible":%s,"bones":[%s]}' % [JSON.print(skeleton.visible), comma(posed)])
	node.free()


func three(v):
	return [v.x, v.y, v.z]
