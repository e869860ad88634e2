// Needs Unreal: not compiled in this project's tests. What it calls in corybant/ is.
#pragma once

#include "CoreMinimal.h"
#include "LiveLinkRetargetAsset.h"
#include "CorybantRetarget.generated.h"

/**
 * For the Live Link Pose node: puts a Corybant subject onto any mesh whose bones carry the mannequin's names, whatever
 * their axes, at rest in an A-pose or a T-pose, facing +Y.
 */
UCLASS(Blueprintable)
class CORYBANTLIVELINK_API UCorybantRetarget : public ULiveLinkRetargetAsset
{
    GENERATED_BODY()

public:
    virtual void BuildPoseFromAnimationData(float DeltaTime, const FLiveLinkSkeletonStaticData* InSkeletonData,
                                            const FLiveLinkAnimationFrameData* InFrameData, FCompactPose& OutPose) override;
};
