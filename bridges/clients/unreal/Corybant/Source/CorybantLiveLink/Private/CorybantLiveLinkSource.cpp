// Needs Unreal: not compiled in this project's tests. What it calls in corybant/ is.
#include "CorybantLiveLinkSource.h"

#include "HAL/PlatformTime.h"
#include "ILiveLinkClient.h"
#include "IWebSocket.h"
#include "Roles/LiveLinkAnimationRole.h"
#include "Roles/LiveLinkAnimationTypes.h"
#include "WebSocketsModule.h"
#include "corybant/unreal_space.h"

#define LOCTEXT_NAMESPACE "Corybant"

namespace
{
    constexpr double SilenceS = 3.0; // there are 60 poses a second, always: silence means that the show is gone
    constexpr int32 MaxMessageBytes = 1 << 20;

    FVector ToVector(corybant::Vec3 V) { return FVector(V.x, V.y, V.z); }
    FQuat ToQuat(corybant::Quat Q) { return FQuat(Q.x, Q.y, Q.z, Q.w); }

    FName BoneName(const std::string& Joint)
    {
        const auto Found = corybant::mannequin_bones().find(Joint);
        return FName(UTF8_TO_TCHAR((Found == corybant::mannequin_bones().end() ? Joint : Found->second).c_str()));
    }
}

FCorybantLiveLinkSource::FCorybantLiveLinkSource(const FString& InUrl, double DelayS) : Url(InUrl), Receiver(DelayS) {}

FCorybantLiveLinkSource::~FCorybantLiveLinkSource()
{
    RequestSourceShutdown();
}

void FCorybantLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid)
{
    Client = InClient;
    SourceGuid = InSourceGuid;
}

bool FCorybantLiveLinkSource::RequestSourceShutdown()
{
    Client = nullptr;
    if (Socket)
    {
        Socket->OnClosed().Clear();
        Socket->OnConnectionError().Clear();
        Socket->OnRawMessage().Clear();
        Socket->Close();
        Socket.Reset();
    }
    return true;
}

FText FCorybantLiveLinkSource::GetSourceType() const { return LOCTEXT("Type", "Corybant"); }
FText FCorybantLiveLinkSource::GetSourceMachineName() const { return FText::FromString(Url); }

FText FCorybantLiveLinkSource::GetSourceStatus() const
{
    const bool bFresh = Socket && Socket->IsConnected() && Receiver.skeletons > 0;
    return bFresh ? LOCTEXT("Live", "Receiving") : LOCTEXT("Wait", "Waiting for the show");
}

void FCorybantLiveLinkSource::Update()
{
    if (!Client) return;
    const double NowS = FPlatformTime::Seconds();
    if (!Socket && NowS >= RetryS) Connect(NowS);
    else if (Socket && NowS - HeardS > SilenceS) Lost(NowS);
    if (const auto Shown = Receiver.buffer.at(NowS)) PushPose(*Shown);
}

void FCorybantLiveLinkSource::Connect(double NowS)
{
    HeardS = NowS;
    Message.Reset();
    Socket = FModuleManager::LoadModuleChecked<FWebSocketsModule>(TEXT("WebSockets")).CreateWebSocket(Url);
    Socket->OnRawMessage().AddRaw(this, &FCorybantLiveLinkSource::Hear);
    // Not in the callback itself: it would destroy the socket that is calling. Silence is noticed in Update.
    Socket->OnClosed().AddLambda([this](int32, const FString&, bool) { HeardS = 0; });
    Socket->OnConnectionError().AddLambda([this](const FString&) { HeardS = 0; });
    Socket->Connect();
}

void FCorybantLiveLinkSource::Lost(double NowS)
{
    Socket->OnClosed().Clear();
    Socket->OnConnectionError().Clear();
    Socket->OnRawMessage().Clear();
    Socket->Close();
    Socket.Reset();
    RetryS = NowS + Backoff.next_s();
}

void FCorybantLiveLinkSource::Hear(const void* Data, SIZE_T Size, SIZE_T BytesRemaining, bool bIsBinary)
{
    Message.Append(static_cast<const uint8*>(Data), static_cast<int32>(Size));
    if (Message.Num() > MaxMessageBytes)
    {
        HeardS = 0; // no stage: leave
        return;
    }
    if (BytesRemaining > 0) return;
    const double NowS = FPlatformTime::Seconds();
    if (!bIsBinary)
    {
        Receiver.text(std::string(reinterpret_cast<const char*>(Message.GetData()), Message.Num()));
    }
    else if (Receiver.binary(Message.GetData(), Message.Num(), NowS))
    {
        HeardS = NowS;
        Backoff.reset();
    }
    Message.Reset();
}

FName FCorybantLiveLinkSource::Subject(std::size_t Performer) const
{
    return FName(*FString::Printf(TEXT("Corybant %d"), static_cast<int32>(Performer) + 1));
}

void FCorybantLiveLinkSource::PushBodies(std::size_t Performers)
{
    for (std::size_t Gone = Performers; Gone < KnownPerformers; ++Gone) Client->RemoveSubject_AnyThread({ SourceGuid, Subject(Gone) });
    for (std::size_t Performer = 0; Performer < Performers; ++Performer)
    {
        FLiveLinkStaticDataStruct Static(FLiveLinkSkeletonStaticData::StaticStruct());
        FLiveLinkSkeletonStaticData& Body = *Static.Cast<FLiveLinkSkeletonStaticData>();
        TArray<FName> Names;
        TArray<int32> Parents;
        for (std::size_t Joint = 0; Joint < Receiver.skeleton.names.size(); ++Joint)
        {
            Names.Add(BoneName(Receiver.skeleton.names[Joint]));
            Parents.Add(Receiver.skeleton.parents[Joint]);
        }
        Body.SetBoneNames(Names);
        Body.SetBoneParents(Parents);
        Body.PropertyNames = { TEXT("visible") };
        Client->PushSubjectStaticData_AnyThread({ SourceGuid, Subject(Performer) }, ULiveLinkAnimationRole::StaticClass(), MoveTemp(Static));
    }
    KnownSkeletons = Receiver.skeletons;
    KnownPerformers = Performers;
}

void FCorybantLiveLinkSource::PushPose(const corybant::Frame& Frame)
{
    if (KnownSkeletons != Receiver.skeletons || KnownPerformers != Frame.performers.size()) PushBodies(Frame.performers.size());
    for (std::size_t Performer = 0; Performer < Frame.performers.size(); ++Performer)
    {
        const corybant::Performer& Body = Frame.performers[Performer];
        FLiveLinkFrameDataStruct Data(FLiveLinkAnimationFrameData::StaticStruct());
        FLiveLinkAnimationFrameData& Pose = *Data.Cast<FLiveLinkAnimationFrameData>();
        Pose.WorldTime = FLiveLinkWorldTime(FPlatformTime::Seconds());
        Pose.PropertyValues = { Frame.visible() ? 1.f : 0.f };
        for (std::size_t Joint = 0; Joint < Body.rotations.size(); ++Joint)
        {
            const corybant::Vec3 Place = Joint == 0 ? Body.root : Receiver.skeleton.offsets[Joint];
            Pose.Transforms.Emplace(ToQuat(corybant::unreal_rotation(Body.rotations[Joint])), ToVector(corybant::unreal_position(Place)));
        }
        Client->PushSubjectFrameData_AnyThread({ SourceGuid, Subject(Performer) }, MoveTemp(Data));
    }
}

#undef LOCTEXT_NAMESPACE
