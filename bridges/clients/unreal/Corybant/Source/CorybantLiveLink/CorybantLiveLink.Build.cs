// Needs Unreal: not compiled in this project's tests.
using UnrealBuildTool;

public class CorybantLiveLink : ModuleRules
{
    public CorybantLiveLink(ReadOnlyTargetRules Target) : base(Target)
    {
        PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
        CppStandard = CppStandardVersion.Cpp17;
        PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine", "DeveloperSettings", "LiveLinkInterface", "LiveLinkAnimationCore" });
        PrivateDependencyModuleNames.AddRange(new[] { "WebSockets" });
    }
}
