using Rosetta.Store.Destinations;
using Rosetta.Store.Monitoring;

namespace Rosetta.Actors.Recovery;

/// <summary>Tells an operator that changes have been parked for long; nothing becomes of them by that.</summary>
sealed class ParkedNotice(NotificationRepository notifications, TimeSpan maxAge, long pipelineId, DestinationDefinition destination)
{
    public Task RaiseAsync(ParkedFigures parked, CancellationToken cancellationToken) => notifications.RaiseAsync(
        new NewNotification(
            NotificationSeverity.Warning, $"pipeline/{pipelineId}/destination/{destination.Id}/dead-letters-old",
            $"Destination '{destination.Name}' has {parked.Changes} parked changes, the oldest since {parked.Oldest:yyyy-MM-dd HH:mm'Z'}: longer than {maxAge.TotalDays:0.##} days.",
            $"GET /api/v1/pipelines/{pipelineId}/destinations/{destination.Id}/dlq/summary says what refuses them. Nothing is deleted.", pipelineId, destination.Id),
        cancellationToken);
}
