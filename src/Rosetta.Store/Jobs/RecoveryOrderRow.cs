using System.Text.Json;

namespace Rosetta.Store.Jobs;

/// <summary>The row as the database has it.</summary>
sealed record RecoveryOrderRow
{
    public const string Columns =
        """
        id, pipeline_id, destination_id, kind, table_name, error_class, entry, edited::text AS edited, dry_run, reason, status, recovered, failed, remaining, lost, discarded, at_hand,
        waiting, result::text AS result, error, requested_by, cancel_requested_at IS NOT NULL AS is_cancel_requested, created_at, started_at, finished_at
        """;

    public long Id { get; init; }

    public long PipelineId { get; init; }

    public long DestinationId { get; init; }

    public string Kind { get; init; } = "";

    public string? TableName { get; init; }

    public string? ErrorClass { get; init; }

    public string? Entry { get; init; }

    public string? Edited { get; init; }

    public bool DryRun { get; init; }

    public string? Reason { get; init; }

    public string Status { get; init; } = "";

    public long Recovered { get; init; }

    public long Failed { get; init; }

    public long Remaining { get; init; }

    public long Lost { get; init; }

    public long Discarded { get; init; }

    public long AtHand { get; init; }

    public string? Waiting { get; init; }

    public string? Result { get; init; }

    public string? Error { get; init; }

    public string? RequestedBy { get; init; }

    public bool IsCancelRequested { get; init; }

    public DateTime CreatedAt { get; init; }

    public DateTime? StartedAt { get; init; }

    public DateTime? FinishedAt { get; init; }

    public RecoveryOrder ToOrder() => new(
        Id, PipelineId, DestinationId,
        new RecoveryRequest(
            Enum.Parse<RecoveryKind>(Kind, ignoreCase: true), TableName, ErrorClass is null ? null : DeadLetters.DeadLetterText.ReadClass(ErrorClass), Entry,
            Edited is null ? null : JsonSerializer.Deserialize<Dictionary<string, string?>>(Edited), DryRun, Reason),
        Status, new RecoveryCounts(Recovered, Failed, Remaining, Lost, Discarded), AtHand, Waiting, Result, Error, RequestedBy, IsCancelRequested, CreatedAt, StartedAt, FinishedAt);
}
