// Needs Unreal: not compiled in this project's tests. What it calls in corybant/ is.
#include "CorybantRetarget.h"

#include "Animation/AnimTypes.h"
#include "BonePose.h"
#include "Roles/LiveLinkAnimationTypes.h"
#include "corybant/unreal_space.h"

namespace
{
    corybant::Vec3 FromVector(const FVector& V) { return { V.X, V.Y, V.Z }; }
    corybant::Quat FromQuat(const FQuat& Q) { return { Q.X, Q.Y, Q.Z, Q.W }; }
    FQuat ToQuat(corybant::Quat Q) { return FQuat(Q.x, Q.y, Q.z, Q.w); }

    /** Joint name for a mannequin bone's name. */
    std::string JointOf(FName Bone)
    {
        const std::string Wanted(TCHAR_TO_UTF8(*Bone.ToString()));
        for (const auto& [Joint, Name] : corybant::mannequin_bones())
            if (Name == Wanted) return Joint;
        return Wanted;
    }

    /** The subject's body and pose in house axes again: both changes of axes are their own inverse but for the unit. */
    void FromSubject(const FLiveLinkSkeletonStaticData& Body, const FLiveLinkAnimationFrameData& Pose, corybant::Skeleton& Skeleton,
                     std::vector<corybant::Quat>& Locals)
    {
        for (int32 Joint = 0; Joint < Body.GetBoneNames().Num(); ++Joint)
        {
            Skeleton.names.push_back(JointOf(Body.GetBoneNames()[Joint]));
            Skeleton.parents.push_back(Body.GetBoneParents()[Joint]);
            const FVector Place = Pose.Transforms[Joint].GetLocation() / 100.0;
            Skeleton.offsets.push_back({ Place.X, Place.Z, Place.Y });
            Locals.push_back(corybant::unreal_rotation(FromQuat(Pose.Transforms[Joint].GetRotation())));
        }
    }
}

void UCorybantRetarget::BuildPoseFromAnimationData(float, const FLiveLinkSkeletonStaticData* InSkeletonData,
                                                   const FLiveLinkAnimationFrameData* InFrameData, FCompactPose& OutPose)
{
    if (!InSkeletonData || !InFrameData || InFrameData->Transforms.Num() != InSkeletonData->GetBoneNames().Num()) return;
    corybant::Skeleton Skeleton;
    std::vector<corybant::Quat> Locals;
    FromSubject(*InSkeletonData, *InFrameData, Skeleton, Locals);

    // The mesh at rest, in component space.
    const FBoneContainer& Bones = OutPose.GetBoneContainer();
    TArray<FTransform> Rest;
    TArray<int32> JointOfBone;
    Rest.SetNum(OutPose.GetNumBones());
    JointOfBone.Init(INDEX_NONE, OutPose.GetNumBones());
    std::vector<corybant::RestBone> RestOfJoint(Skeleton.names.size());
    for (const FCompactPoseBoneIndex Bone : OutPose.ForEachBoneIndex())
    {
        const FCompactPoseBoneIndex Parent = OutPose.GetParentBoneIndex(Bone);
        Rest[Bone.GetInt()] = OutPose.GetRefPose(Bone);
        if (Parent.IsValid()) Rest[Bone.GetInt()] *= Rest[Parent.GetInt()];
        const FName Name = Bones.GetReferenceSkeleton().GetBoneName(Bones.MakeMeshPoseIndex(Bone).GetInt());
        const int32 Joint = InSkeletonData->GetBoneNames().IndexOfByKey(Name);
        JointOfBone[Bone.GetInt()] = Joint;
        if (Joint != INDEX_NONE) RestOfJoint[Joint] = { FromVector(Rest[Bone.GetInt()].GetLocation()), FromQuat(Rest[Bone.GetInt()].GetRotation()) };
    }

    const auto Posed = corybant::pose_mesh(Skeleton, corybant::t_pose_rest(Skeleton, RestOfJoint), Locals);
    TArray<FTransform> Now;
    Now.SetNum(OutPose.GetNumBones());
    for (const FCompactPoseBoneIndex Bone : OutPose.ForEachBoneIndex())
    {
        const FCompactPoseBoneIndex Parent = OutPose.GetParentBoneIndex(Bone);
        const FTransform Above = Parent.IsValid() ? Now[Parent.GetInt()] : FTransform::Identity;
        const int32 Joint = JointOfBone[Bone.GetInt()];
        FTransform Local = OutPose.GetRefPose(Bone);
        if (Joint != INDEX_NONE) Local.SetRotation(Above.GetRotation().Inverse() * ToQuat(Posed[Joint]));
        if (Joint == 0)
        {
            // The way across the stage, scaled by leg length.
            const double Legs = corybant::hip_height(Skeleton) * 100.0;
            const double Scale = Legs > 0 ? Rest[Bone.GetInt()].GetLocation().Z / Legs : 1.0;
            Local.SetLocation(Above.InverseTransformPosition(InFrameData->Transforms[0].GetLocation() * Scale));
        }
        OutPose[Bone] = Local;
        Now[Bone.GetInt()] = Local * Above;
    }
}
