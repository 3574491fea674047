using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>How a write to the configuration ended.</summary>
public enum StoreOutcome
{
    /// <summary>It is done.</summary>
    Saved,

    /// <summary>There is no row with this id.</summary>
    NotFound,

    /// <summary>Another row has this name already.</summary>
    NameTaken,

    /// <summary>Something else still uses it; nothing was deleted.</summary>
    StillReferenced,

    /// <summary>It refers to an id that does not exist.</summary>
    UnknownReference,

    /// <summary>The pipeline's status does not allow it now.</summary>
    IllegalState,

    /// <summary>The value breaks a rule of the tables (a CHECK).</summary>
    Invalid,
}

/// <summary>The result of a write: <see cref="Value"/> when saved, otherwise <see cref="Detail"/>, a sentence that says what to do.</summary>
public sealed record StoreResult<T>(StoreOutcome Outcome, T? Value, string? Detail)
    where T : class
{
    public bool IsSaved => Outcome == StoreOutcome.Saved;
}

/// <summary>Makes results, and turns the refusals of constraints into them.</summary>
public static class StoreResult
{
    public static StoreResult<T> Saved<T>(T value)
        where T : class => new(StoreOutcome.Saved, value, null);

    public static StoreResult<T> Refused<T>(StoreOutcome outcome, string detail)
        where T : class => new(outcome, null, detail);

    /// <summary>Runs <paramref name="write"/>; a refusal by one of the constraints of the migrations becomes a result.</summary>
    internal static async Task<StoreResult<T>> FromAsync<T>(Func<Task<StoreResult<T>>> write)
        where T : class
    {
        try
        {
            return await write().ConfigureAwait(false);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ForeignKeyViolation
            or PostgresErrorCodes.CheckViolation)
        {
            return Refused<T>(
                e.SqlState switch
                {
                    PostgresErrorCodes.UniqueViolation => StoreOutcome.NameTaken,
                    PostgresErrorCodes.CheckViolation => StoreOutcome.Invalid,
                    // The server words the two directions of a foreign key differently; only a DELETE names "still referenced".
                    _ when e.Detail?.Contains("still referenced", StringComparison.Ordinal) == true => StoreOutcome.StillReferenced,
                    _ => StoreOutcome.UnknownReference,
                },
                Sentence(e));
        }
    }

    static string Sentence(PostgresException e) => e.ConstraintName switch
    {
        "sources_name_is_taken" => "A source of this name exists already. Choose another name.",
        "destinations_name_is_taken" => "A destination of this name exists already. Choose another name.",
        "pipelines_name_is_taken" => "A pipeline of this name exists already. Choose another name.",
        "presets_name_is_taken" => "A preset of this name exists already. Choose another name.",
        "pipelines_source_exists" when e.Detail?.Contains("still referenced", StringComparison.Ordinal) == true =>
            "A pipeline still uses this source. Delete the pipeline first.",
        "pipelines_source_exists" => "There is no source with this id.",
        "pipeline_destinations_destination_exists" when e.Detail?.Contains("still referenced", StringComparison.Ordinal) == true =>
            "A pipeline still uses this destination. Remove it from the pipeline first.",
        "pipeline_destinations_destination_exists" => "There is no destination with this id.",
        "pipeline_destinations_pipeline_exists" => "There is no pipeline with this id.",
        "pipeline_destinations_attached_once" => "The pipeline has this destination already.",
        "table_syncs_table_named_once" => "A table is named twice in table_syncs.",
        "pipeline_requests_one_resync_at_a_time" => "A resync of this pipeline is running already. Wait until it is done.",
        _ => $"The config database refuses the value ({e.ConstraintName}): {e.MessageText}",
    };
}
