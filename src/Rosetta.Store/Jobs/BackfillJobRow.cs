namespace Rosetta.Store.Jobs;

sealed record BackfillJobRow
{
    static readonly string[] Names =
    [
        "id", "pipeline_id", "destination_ids", "table_name", "filters", "batch_size", "status", "count_record", "total_record", "progress", "rows_per_second",
        "resume_attempts", "error_message", "created_at", "started_at", "finished_at",
    ];

    public static readonly string Columns = Qualified("queue_backfill_data");

    /// <param name="alias">Of the table.</param>
    public static string Qualified(string alias) =>
        $"{string.Join(", ", Names.Select(n => $"{alias}.{n}"))}, {alias}.cancel_requested_at IS NOT NULL AS is_cancel_requested";

    public long Id { get; init; }

    public long PipelineId { get; init; }

    public long[]? DestinationIds { get; init; }

    public string TableName { get; init; } = "";

    public string Filters { get; init; } = "[]";

    public int BatchSize { get; init; }

    public string Status { get; init; } = "";

    public long CountRecord { get; init; }

    public long? TotalRecord { get; init; }

    public double Progress { get; init; }

    public double? RowsPerSecond { get; init; }

    public int ResumeAttempts { get; init; }

    public string? ErrorMessage { get; init; }

    public bool IsCancelRequested { get; init; }

    public DateTime CreatedAt { get; init; }

    public DateTime? StartedAt { get; init; }

    public DateTime? FinishedAt { get; init; }

    public BackfillJob ToJob() => new(
        Id, PipelineId, DestinationIds is null ? null : [.. DestinationIds], TableName, Filters, BatchSize, Status, CountRecord, TotalRecord, Progress, RowsPerSecond,
        ResumeAttempts, ErrorMessage, IsCancelRequested, CreatedAt, StartedAt, FinishedAt);
}
