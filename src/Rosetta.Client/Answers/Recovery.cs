using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>An order about dead letters was taken.</summary>
public sealed record RecoveryStarted(string RecoveryId);

/// <summary>An order about dead letters, and how far it is.</summary>
/// <param name="Kind">RECOVER, RETRY or DISCARD.</param>
/// <param name="State">PENDING, EXECUTING, COMPLETED, FAILED or CANCELLED.</param>
/// <param name="Waiting">Why it does not get on at the moment.</param>
/// <param name="Result">Of a dry run, or of a retry that failed.</param>
public sealed record Recovery(
    string RecoveryId, string Kind, string State, string? Table, string? ErrorClass, string? Entry, bool DryRun, string? Reason, long Recovered, long Failed, long Remaining, long Lost,
    long Discarded, string? Waiting, string? Error, JsonElement? Result)
{
    public bool IsOpen => State is "PENDING" or "EXECUTING";
}
