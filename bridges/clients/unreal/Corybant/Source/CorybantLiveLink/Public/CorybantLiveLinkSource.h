// Needs Unreal: not compiled in this project's tests. What it calls in corybant/ is.
#pragma once

#include "CoreMinimal.h"
#include "ILiveLinkSource.h"
#include "corybant/receiver.h"

class IWebSocket;

/** One connection to a stage; every dancer is a Live Link subject, Corybant 1, Corybant 2, ... All on the game thread. */
class FCorybantLiveLinkSource : public ILiveLinkSource
{
public:
    FCorybantLiveLinkSource(const FString& InUrl, double DelayS);
    virtual ~FCorybantLiveLinkSource() override;

    virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
    virtual bool IsSourceStillValid() const override { return Client != nullptr; }
    virtual bool RequestSourceShutdown() override;
    virtual FText GetSourceType() const override;
    virtual FText GetSourceMachineName() const override;
    virtual FText GetSourceStatus() const override;
    virtual void Update() override;

private:
    void Connect(double NowS);
    void Lost(double NowS);
    void Hear(const void* Data, SIZE_T Size, SIZE_T BytesRemaining, bool bIsBinary);
    void PushBodies(std::size_t Performers);
    void PushPose(const corybant::Frame& Frame);
    FName Subject(std::size_t Performer) const;

    FString Url;
    corybant::Receiver Receiver;
    corybant::Backoff Backoff;
    TSharedPtr<IWebSocket> Socket;
    TArray<uint8> Message;
    ILiveLinkClient* Client = nullptr;
    FGuid SourceGuid;
    double RetryS = 0, HeardS = 0;
    int KnownSkeletons = 0;
    std::size_t KnownPerformers = 0;
};
