namespace Rosetta.Client.Answers;

/// <summary>What <c>POST /pipelines/{id}/verify</c> answers.</summary>
public sealed record VerifyStarted(long RunId);

/// <summary>A comparison of tables with their source.</summary>
/// <param name="Status">PENDING, EXECUTING, COMPLETED or FAILED.</param>
/// <param name="Equal">Null before its end; true when every table is equal, or has been made so.</param>
public sealed record Verify(long RunId, string Status, bool Repair, bool? Equal, string? Error, IReadOnlyList<VerifiedTable> Tables)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}

/// <summary>What was found of a table at a destination.</summary>
/// <param name="State">PENDING, COMPARING, EQUAL, DIFFERENT, REPAIRED or NOT_COMPARED.</param>
public sealed record VerifiedTable(
    long DestinationId, string Table, string State, long RowsCompared, long? RowsTotal, long Differing, long Missing, long Extra, string? AsOfLsn, string? Error);
