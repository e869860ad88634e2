using System.Collections.Generic;

namespace Corybant
{
    /// <summary>Unity's HumanBodyBones for each joint of the stage, by name.</summary>
    public static class HumanBones
    {
        public static readonly Dictionary<string, string> OfJoint = new Dictionary<string, string>
        {
            { "pelvis", "Hips" }, { "spine1", "Spine" }, { "spine2", "Chest" }, { "spine3", "UpperChest" }, { "neck", "Neck" }, { "head", "Head" },
            { "left_hip", "LeftUpperLeg" }, { "left_knee", "LeftLowerLeg" }, { "left_ankle", "LeftFoot" }, { "left_foot", "LeftToes" },
            { "right_hip", "RightUpperLeg" }, { "right_knee", "RightLowerLeg" }, { "right_ankle", "RightFoot" }, { "right_foot", "RightToes" },
            { "left_collar", "LeftShoulder" }, { "left_shoulder", "LeftUpperArm" }, { "left_elbow", "LeftLowerArm" }, { "left_wrist", "LeftHand" },
            { "right_collar", "RightShoulder" }, { "right_shoulder", "RightUpperArm" }, { "right_elbow", "RightLowerArm" }, { "right_wrist", "RightHand" },
        };
    }
}
