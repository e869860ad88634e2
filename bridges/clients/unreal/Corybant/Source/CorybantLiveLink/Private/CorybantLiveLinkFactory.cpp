// Needs Unreal: not compiled in this project's tests.
#include "CorybantLiveLinkFactory.h"

#include "CorybantLiveLinkSource.h"
#include "CorybantSettings.h"
#include "Modules/ModuleManager.h"

IMPLEMENT_MODULE(FDefaultModuleImpl, CorybantLiveLink)

#define LOCTEXT_NAMESPACE "Corybant"

FText UCorybantLiveLinkFactory::GetSourceDisplayName() const { return LOCTEXT("Name", "Corybant"); }
FText UCorybantLiveLinkFactory::GetSourceTooltip() const { return LOCTEXT("Tooltip", "Dancers of a running Corybant show"); }

TSharedPtr<ILiveLinkSource> UCorybantLiveLinkFactory::CreateSource(const FString& ConnectionString) const
{
    const UCorybantSettings* Settings = GetDefault<UCorybantSettings>();
    return MakeShared<FCorybantLiveLinkSource>(ConnectionString.IsEmpty() ? Settings->Url : ConnectionString, Settings->DelaySeconds);
}

#undef LOCTEXT_NAMESPACE
