using Rosetta.Core.Errors;

namespace Rosetta.Store.Jobs;

/// <summary>What an operator can order about parked changes.</summary>
public enum RecoveryKind
{
    /// <summary>Try all of them, of a table, or of a class of errors.</summary>
    Recover,

    /// <summary>Try one with those it has to be applied together with; with another new row if one is given.</summary>
    Retry,

    /// <summary>Take them out for good.</summary>
    Discard,
}

/// <summary>What is asked for, checked.</summary>
/// <param name="Table">Null: of all tables.</param>
/// <param name="Class">Null: of all classes.</param>
/// <param name="Entry">Id of one entry.</param>
/// <param name="Edited">Values of its new row by column as text; null is SQL's NULL.</param>
/// <param name="Reason">Of a discard.</param>
public sealed record RecoveryRequest(
    RecoveryKind Kind, string? Table = null, ErrorClass? Class = null, string? Entry = null, IReadOnlyDictionary<string, string?>? Edited = null, bool DryRun = false, string? Reason = null);

/// <summary>A row of <c>recovery_runs</c>.</summary>
/// <param name="Status">PENDING, EXECUTING, COMPLETED, FAILED or CANCELLED.</param>
/// <param name="AtHand">Changes of the try under way, of a retry; 0 before.</param>
/// <param name="Waiting">What it waits for.</param>
/// <param name="Result">JSON; of a dry run, or of a try that failed.</param>
public sealed record RecoveryOrder(
    long Id, long PipelineId, long DestinationId, RecoveryRequest Request, string Status, RecoveryCounts Counts, long AtHand, string? Waiting, string? Result, string? Error,
    string? RequestedBy, bool IsCancelRequested, DateTime CreatedAt, DateTime? StartedAt, DateTime? FinishedAt)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}

/// <summary>Changes.</summary>
/// <param name="Remaining">To be tried yet.</param>
/// <param name="Lost">Recorded at the destination, and their payload is not in the store.</param>
public sealed record RecoveryCounts(long Recovered = 0, long Failed = 0, long Remaining = 0, long Lost = 0, long Discarded = 0);
