using Rosetta.Actors.Destinations;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Verification;

/// <summary>What a comparison has found so far, by destination and table. Not thread-safe.</summary>
/// <param name="repair">What differs is made equal.</param>
public sealed class VerifyTally(bool repair)
{
    readonly Dictionary<(long Destination, string Table), VerifyResult> _results = [];

    public IReadOnlyList<VerifyResult> Results => [.. _results.Values];

    public bool AllHaveEnded => _results.Values.All(r => r.State is not ("PENDING" or "COMPARING"));

    public void Expect(long destination, string table) => _results[(destination, table)] = new VerifyResult(destination, table, "PENDING", 0, null, 0, 0, 0, null, null);

    public bool HasEnded(long destination, string table) => _results[(destination, table)].State is not ("PENDING" or "COMPARING");

    /// <summary>Cannot be compared, and why.</summary>
    public void Refuse(long destination, string table, string reason) =>
        _results[(destination, table)] = new VerifyResult(destination, table, "NOT_COMPARED", 0, null, 0, 0, 0, null, reason);

    /// <summary>It waits, and for what; null: it has begun.</summary>
    public void Wait(long destination, string table, string? reason)
    {
        if (_results[(destination, table)] is { State: "PENDING" or "COMPARING" } open && open.Error != reason)
            _results[(destination, table)] = open with { Error = reason };
    }

    /// <summary>It differs as a whole, and is being replaced.</summary>
    public void Replaces(long destination, string table, ChunkJobReport report)
    {
        Take(destination, table, report);
        _results[(destination, table)] = _results[(destination, table)] with { State = "COMPARING", Error = $"{report.Difference} It is being copied again." };
    }

    /// <summary>It has been replaced, or could not be.</summary>
    public void Replaced(long destination, string table, string? error)
    {
        var result = _results[(destination, table)];
        _results[(destination, table)] = error is null ? result with { State = "REPAIRED", Error = null } : result with { State = "DIFFERENT", Error = $"It differs, and could not be copied again: {error}" };
    }

    public void Take(long destination, string table, ChunkJobReport report)
    {
        if (report.State is ChunkJobState.Failed or ChunkJobState.Cancelled)
        {
            Refuse(destination, table, report.Error ?? "It was called off.");
            return;
        }

        var state = report.State switch
        {
            ChunkJobState.Running => "COMPARING",
            _ when report.Difference is not null => "DIFFERENT",
            _ when report.Inserted + report.Updated + report.Deleted == 0 => "EQUAL",
            _ => repair ? "REPAIRED" : "DIFFERENT",
        };
        _results[(destination, table)] = new VerifyResult(
            destination, table, state, report.Rows, report.Total, report.Updated, report.Inserted, report.Deleted, report.AsOf, report.Difference)
        {
            RowsCarried = report.Carried, Ranges = report.Ranges, Keys = report.Keys,
        };
    }
}
