using Dapper;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Monitoring;

public enum NotificationSeverity
{
    Info,
    Warning,
    Error,
}

/// <summary>Something an operator should know.</summary>
/// <param name="Key">Two notifications with one key say the same thing: while unread it is counted, not repeated.</param>
public sealed record NewNotification(
    NotificationSeverity Severity, string Key, string Message, string? Remedy = null, long? PipelineId = null, long? DestinationId = null);

/// <summary>A notification as it is shown.</summary>
/// <param name="Occurrences">How often it was raised while unread.</param>
public sealed record Notification(
    long Id,
    string Severity,
    string Key,
    long? PipelineId,
    long? DestinationId,
    string Message,
    string? Remedy,
    long Occurrences,
    DateTime CreatedAt,
    DateTime LastSeenAt,
    DateTime? ReadAt);

/// <summary>The notifications. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class NotificationRepository(ConfigDatabase database)
{
    const string Columns =
        "id, severity, key, pipeline_id, destination_id, message, remedy, occurrences, created_at, last_seen_at, read_at";

    /// <summary>Raises a notification, or counts it on the unread one of the same key.</summary>
    public Task RaiseAsync(NewNotification notification, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(notification);
        return database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                """
                INSERT INTO notifications AS n (severity, key, pipeline_id, destination_id, message, remedy)
                VALUES (@severity, @Key, @PipelineId, @DestinationId, @message, @remedy)
                ON CONFLICT (key) WHERE read_at IS NULL DO UPDATE SET severity = excluded.severity, message = excluded.message, remedy = excluded.remedy,
                    occurrences = n.occurrences + 1, last_seen_at = clock_timestamp()
                """,
                new
                {
                    severity = notification.Severity.ToString().ToLowerInvariant(), notification.Key, notification.PipelineId, notification.DestinationId,
                    message = StoreTypes.Storable(notification.Message), remedy = StoreTypes.Storable(notification.Remedy),
                },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    /// <summary>Newest first.</summary>
    public Task<Page<Notification>> ListAsync(int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"SELECT count(*) FROM notifications; SELECT {Columns} FROM notifications ORDER BY last_seen_at DESC, id DESC LIMIT @limit OFFSET @offset",
                    new { limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                return new Page<Notification>([.. await results.ReadAsync<Notification>().ConfigureAwait(false)], total);
            },
            cancellationToken);

    /// <summary>Marks one as read; when the same thing happens again it is raised anew.</summary>
    /// <returns>Null when there is no such notification.</returns>
    public Task<Notification?> MarkReadAsync(long id, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleOrDefaultAsync<Notification?>(new CommandDefinition(
                $"UPDATE notifications SET read_at = coalesce(read_at, clock_timestamp()) WHERE id = @id RETURNING {Columns}", new { id },
                cancellationToken: cancellationToken)),
            cancellationToken);
}
