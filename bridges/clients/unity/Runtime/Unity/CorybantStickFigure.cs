// Needs UnityEngine: not compiled in this project's tests. What it calls in Runtime/Plain is.
using System.Collections.Generic;
using UnityEngine;

namespace Corybant
{
    /// <summary>Draws every dancer of a running show in lines: to see that poses arrive, before there is an avatar.</summary>
    [AddComponentMenu("Corybant/Corybant Stick Figure")]
    public sealed class CorybantStickFigure : MonoBehaviour
    {
        [Tooltip("Address of the stage")] public string url = "ws://127.0.0.1:8765/ws";
        [Tooltip("Seconds behind the newest pose; evens out the network")] public float delaySeconds = 0.05f;
        public float thickness = 0.05f;

        StageConnection _connection;
        readonly List<Transform> _sticks = new List<Transform>();

        void OnEnable()
        {
            _connection = new StageConnection(url, delaySeconds);
            _connection.Start();
        }

        void OnDisable()
        {
            if (_connection != null) _connection.Dispose();
            _connection = null;
        }

        void Update()
        {
            Skeleton skeleton;
            int skeletons, used = 0;
            Frame frame = _connection.Shown(out skeleton, out skeletons);
            if (frame == null) return;
            if (frame.Visible && frame.Joints == skeleton.Names.Length)
                foreach (Performer body in frame.Performers)
                {
                    Vec3[] places = skeleton.Places(body);
                    for (int joint = 0; joint < places.Length; joint++)
                        if (skeleton.Parents[joint] >= 0) Draw(used++, ToUnity(places[skeleton.Parents[joint]]), ToUnity(places[joint]));
                }
            for (int stick = 0; stick < _sticks.Count; stick++) _sticks[stick].gameObject.SetActive(stick < used);
        }

        void Draw(int index, Vector3 from, Vector3 to)
        {
            while (_sticks.Count <= index)
            {
                Transform made = GameObject.CreatePrimitive(PrimitiveType.Cube).transform;
                made.SetParent(transform, false);
                _sticks.Add(made);
            }
            Transform stick = _sticks[index];
            Vector3 along = to - from;
            stick.localPosition = (from + to) / 2;
            stick.localRotation = along.sqrMagnitude > 1e-8f ? Quaternion.FromToRotation(Vector3.up, along) : Quaternion.identity;
            stick.localScale = new Vector3(thickness, along.magnitude, thickness);
        }

        static Vector3 ToUnity(Vec3 house)
        {
            Vec3 v = house.ToUnity();
            return new Vector3((float)v.X, (float)v.Y, (float)v.Z);
        }
    }
}
