// Needs Unreal: not compiled in this project's tests.
#pragma once

#include "CoreMinimal.h"
#include "LiveLinkSourceFactory.h"
#include "CorybantLiveLinkFactory.generated.h"

/** Live Link window > + Source > Corybant. The connection string, where one is given, is the stage's address. */
UCLASS()
class CORYBANTLIVELINK_API UCorybantLiveLinkFactory : public ULiveLinkSourceFactory
{
    GENERATED_BODY()

public:
    virtual FText GetSourceDisplayName() const override;
    virtual FText GetSourceTooltip() const override;
    virtual EMenuType GetMenuType() const override { return EMenuType::MenuEntry; }
    virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const override;
};
