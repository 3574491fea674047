using System.Text.Json.Nodes;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;

namespace Rosetta.Actors.Recovery;

/// <summary>What a retry has shown, as JSON. Pure.</summary>
static class RetryResult
{
    /// <param name="all">What has to be applied together, the letter among them.</param>
    /// <param name="row">As it is before any of them.</param>
    public static string OfDryRun(DeadLetter letter, IReadOnlyList<DeadLetter> all, RecoveryOutcome outcome, RowThere row)
    {
        var result = Outcome(all, outcome);
        result["would_apply"] = outcome.IsRecovered;
        result["statement"] = StatementOf(letter, all, row);
        result["row"] = row.Values is { } values ? new JsonObject(values.Select(v => KeyValuePair.Create(v.Key, (JsonNode?)v.Value))) : null;
        result["row_problem"] = row.Problem;
        return result.ToJsonString();
    }

    public static string OfFailure(IReadOnlyList<DeadLetter> all, RecoveryOutcome outcome) => Outcome(all, outcome).ToJsonString();

    /// <summary>
    /// What the change comes to at the destination: an insert takes the place of a row that is there, an update of a row that is not there inserts it, a delete of one
    /// does nothing. What comes before it for the same key has its say.
    /// </summary>
    /// <returns>insert, update, delete or none.</returns>
    public static string StatementOf(DeadLetter letter, IReadOnlyList<DeadLetter> all, RowThere row)
    {
        if (row.Problem is not null)
            return letter.Kind.ToString().ToLowerInvariant();
        var isThere = row.Values is not null;
        foreach (var before in all.Where(l => l.At < letter.At && l.Key.SequenceEqual(letter.Key)))
            isThere = before.Kind != ChangeKind.Delete;
        return letter.Kind == ChangeKind.Delete ? isThere ? "delete" : "none" : isThere ? "update" : "insert";
    }

    static JsonObject Outcome(IReadOnlyList<DeadLetter> all, RecoveryOutcome outcome) => new()
    {
        ["entries"] = new JsonArray([.. all.Select(l => (JsonNode)l.Id)]),
        ["error"] = outcome.Failure?.Error,
        ["sqlstate"] = outcome.Failure?.SqlState,
        ["error_class"] = outcome.Failure?.Class.ToString().ToUpperInvariant(),
        ["failed_entry"] = all.FirstOrDefault(l => l.At == outcome.FailedAt)?.Id,
    };
}
