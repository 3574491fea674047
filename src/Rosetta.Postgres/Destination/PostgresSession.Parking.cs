using Microsoft.Extensions.Logging;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Parking;

namespace Rosetta.Postgres.Destination;

// Changes that cannot be applied, and those that wait behind them: recorded in the transaction that skips them. Their payloads are durable before it
// commits: a crash in between leaves a payload that nobody asks for, never a skipped change without one.
sealed partial class PostgresSession
{
    readonly ParkingLot? _lot;

    /// <summary>Tables that have parked changes; true: all of their changes are parked.</summary>
    public IReadOnlyDictionary<TableName, bool> Parked => _lot?.Tables ?? new Dictionary<TableName, bool>();

    public long Supersedings => _lot?.Supersedings ?? 0;

    /// <summary>What beginning copies have taken out does not wait any more; between two transactions.</summary>
    async ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        while (_lot?.Refresh() is { } table)
            await ParkedSql.LoadAsync(_connection, _row, _lot, table, cancellationToken);
    }

    /// <returns>How many changes the transaction under way skips.</returns>
    async ValueTask<int> ParkAsync(CancellationToken cancellationToken)
    {
        if (_lot is not { IsChanged: true })
            return 0;
        // Those that were found in a group's rows come after those that waited already.
        var waiting = _lot.Waiting.OrderBy(e => e.At).ToList();
        _context.Begin();
        foreach (var table in _lot.Emptied)
            _context.Line.Filling.Query(ParkedSql.EmptySql(_row, table), default);
        await _context.Line.DrainAsync(cancellationToken);
        if (waiting.Count == 0)
            return 0;
        var keys = await ParkedSql.RecordAsync(_closing, _row, waiting, cancellationToken);
        Failpoint.Hit(FailpointNames.ParkRecorded);
        var now = TimeProvider.System.GetUtcNow();
        await _opening.Parking!.ParkAsync(
            [.. waiting.Select((e, i) => new DeadLetter(e.Plan.Source, e.At, e.Xid, e.CommitTime, e.Kind, keys[i], e.Payload, e.Failure, now))], cancellationToken);
        Failpoint.Hit(FailpointNames.ParkStored);
        return waiting.Count;
    }

    void LogParked()
    {
        foreach (var table in _lot!.Waiting.GroupBy(e => e.Plan.Source))
            LogParked(_logger, table.Key, table.Count(e => e.Failure is not null), table.Count(e => e.Failure is null), table.FirstOrDefault(e => e.Failure is not null)?.Failure?.SqlState);
    }

    [LoggerMessage(EventId = 2215, Level = LogLevel.Warning, Message = "Table {Table}: {Failed} changes could not be applied and are parked, {Behind} more wait behind such ones (first SQLSTATE {SqlState})")]
    static partial void LogParked(ILogger logger, TableName table, int failed, int behind, string? sqlState);
}
