using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>What <c>POST /pipelines/{id}/verify</c> answers.</summary>
public sealed record VerifyStarted(long RunId);

/// <summary>A comparison of tables with their source.</summary>
/// <param name="Status">PENDING, EXECUTING, COMPLETED or FAILED.</param>
/// <param name="Equal">Null before its end; true when every table is equal, or has been made so.</param>
/// <param name="Waiting">Why an open run does not get on at the moment.</param>
public sealed record Verify(long RunId, string Status, bool Repair, bool? Equal, string? Waiting, string? Error, IReadOnlyList<VerifiedTable> Tables)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}

/// <summary>What was found of a table at a destination.</summary>
/// <param name="State">PENDING, COMPARING, EQUAL, DIFFERENT, REPAIRED or NOT_COMPARED.</param>
public sealed record VerifiedTable(
    long DestinationId, string Table, string State, long RowsCompared, long? RowsTotal, long RowsCarried, long Ranges, long Differing, long Missing, long Extra,
    IReadOnlyList<DifferingKey>? Keys, string? AsOfLsn, string? Error);

/// <summary>A row that is not the same on both sides.</summary>
/// <param name="Kind">missing, different or extra.</param>
/// <param name="Key">An object with the key's columns.</param>
/// <param name="Columns">Names of those that differ.</param>
public sealed record DifferingKey(string Kind, JsonElement Key, IReadOnlyList<string> Columns);
