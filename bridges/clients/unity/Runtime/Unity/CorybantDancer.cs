// Needs UnityEngine: not compiled in this project's tests. What it calls in Runtime/Plain is.
using System;
using System.Collections.Generic;
using UnityEngine;

namespace Corybant
{
    /// <summary>Poses the Humanoid Animator on this object from a running show, whatever the axes of its bones.</summary>
    [RequireComponent(typeof(Animator))]
    [AddComponentMenu("Corybant/Corybant Dancer")]
    public sealed class CorybantDancer : MonoBehaviour
    {
        [Tooltip("Address of the stage")] public string url = "ws://127.0.0.1:8765/ws";
        [Tooltip("Seconds behind the newest pose; evens out the network")] public float delaySeconds = 0.05f;
        [Tooltip("Which dancer, from 0")] public int performer;
        [Tooltip("Walk about the stage, scaled by leg length")] public bool moveHips = true;

        struct Bone
        {
            public int Joint;
            public Transform Place;
            public Quaternion Rest; // in the T-pose, against this object
        }

        Animator _animator;
        StageConnection _connection;
        Renderer[] _renderers;
        readonly List<Bone> _bones = new List<Bone>();
        int _known;
        float _scale = 1f;

        void OnEnable()
        {
            _animator = GetComponent<Animator>();
            _renderers = GetComponentsInChildren<Renderer>(true);
            if (_animator.avatar == null || !_animator.isHuman)
            {
                Debug.LogError("Corybant: " + name + " has no Humanoid avatar; set Rig > Animation Type to Humanoid in the model's import settings", this);
                enabled = false;
                return;
            }
            _known = 0;
            _connection = new StageConnection(url, delaySeconds);
            _connection.Start();
        }

        void OnDisable()
        {
            if (_connection != null) _connection.Dispose();
            _connection = null;
        }

        void LateUpdate() // after the Animator, so that this has the last word
        {
            Skeleton skeleton;
            int skeletons;
            Frame frame = _connection.Shown(out skeleton, out skeletons);
            if (skeletons != _known)
            {
                _known = skeletons;
                FindBones(skeleton);
            }
            if (frame == null || performer >= frame.Performers.Length) return;
            foreach (Renderer drawn in _renderers) drawn.enabled = frame.Visible;
            Performer body = frame.Performers[performer];
            if (body.Rotations.Length != skeleton.Names.Length) return;
            Quat[] turns = skeleton.Globals(body.Rotations);
            foreach (Bone bone in _bones) bone.Place.rotation = transform.rotation * ToUnity(turns[bone.Joint].ToUnity()) * bone.Rest;
            Transform hips = _animator.GetBoneTransform(HumanBodyBones.Hips);
            if (moveHips && hips != null) hips.position = transform.TransformPoint(ToUnity(body.Root.ToUnity()) * _scale);
        }

        /// <summary>The bone of every joint and its rotation in the avatar's own T-pose.</summary>
        void FindBones(Skeleton skeleton)
        {
            var tPose = new Dictionary<string, SkeletonBone>();
            foreach (SkeletonBone bone in _animator.avatar.humanDescription.skeleton) tPose[bone.name] = bone;
            _bones.Clear();
            for (int joint = 0; joint < skeleton.Names.Length; joint++)
            {
                string name;
                HumanBodyBones human;
                if (!HumanBones.OfJoint.TryGetValue(skeleton.Names[joint], out name) || !Enum.TryParse(name, out human)) continue;
                Transform place = _animator.GetBoneTransform(human);
                if (place == null) continue; // optional bones: their turn reaches the next one down, which is posed against the whole body
                Vector3 where;
                Quaternion rest;
                Rest(place, tPose, out where, out rest);
                _bones.Add(new Bone { Joint = joint, Place = place, Rest = rest });
                if (human == HumanBodyBones.Hips) _scale = where.y > 0 ? where.y / (float)skeleton.HipHeight() : 1f;
            }
        }

        void Rest(Transform bone, Dictionary<string, SkeletonBone> tPose, out Vector3 where, out Quaternion rest)
        {
            where = Vector3.zero;
            rest = Quaternion.identity;
            for (Transform at = bone; at != null && at != transform; at = at.parent)
            {
                SkeletonBone known;
                bool inAvatar = tPose.TryGetValue(at.name, out known);
                Quaternion turn = inAvatar ? known.rotation : at.localRotation;
                Vector3 scale = inAvatar ? known.scale : at.localScale;
                where = (inAvatar ? known.position : at.localPosition) + turn * Vector3.Scale(scale, where);
                rest = turn * rest;
            }
        }

        static Quaternion ToUnity(Quat q) { return new Quaternion((float)q.X, (float)q.Y, (float)q.Z, (float)q.W); }
        static Vector3 ToUnity(Vec3 v) { return new Vector3((float)v.X, (float)v.Y, (float)v.Z); }
    }
}
