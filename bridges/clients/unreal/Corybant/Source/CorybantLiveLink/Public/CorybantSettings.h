// Needs Unreal: not compiled in this project's tests.
#pragma once

#include "CoreMinimal.h"
#include "Engine/DeveloperSettings.h"
#include "CorybantSettings.generated.h"

/** Project Settings > Plugins > Corybant. Read when the Live Link source is added. */
UCLASS(Config = Game, DefaultConfig, meta = (DisplayName = "Corybant"))
class CORYBANTLIVELINK_API UCorybantSettings : public UDeveloperSettings
{
    GENERATED_BODY()

public:
    /** Address of the stage. */
    UPROPERTY(Config, EditAnywhere, Category = "Stage")
    FString Url = TEXT("ws://127.0.0.1:8765/ws");

    /** Seconds behind the newest pose; evens out the network. */
    UPROPERTY(Config, EditAnywhere, Category = "Stage", meta = (ClampMin = "0", ClampMax = "1"))
    float DelaySeconds = 0.05f;

    virtual FName GetCategoryName() const override { return TEXT("Plugins"); }
};
