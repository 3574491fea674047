using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Takes payloads out of the store that nobody will ask for: of changes that the destination has passed and that are not parked there. One that it has not passed yet
/// may be about to be parked, or was about to be when an earlier session ended, and is applied by this one; and so may a row that a chunk has read again, whose place is behind
/// us: it is parked between two groups, so it is looked for there once more.
/// </summary>
/// <param name="between">Runs something between two groups of the stream.</param>
sealed class OrphanSweep(IDestinationSession session, LaneLetters letters, Func<Func<CancellationToken, Task>, CancellationToken, Task> between)
{
    const int Page = 500;

    bool _isDone;
    bool _isFirst = true;
    long _supersedings;
    Lsn? _ahead;

    /// <summary>Something may have left payloads.</summary>
    public void Owe() => _isDone = false;

    /// <summary>Sweeps if there may be something: to begin with, when it is owed, when parked changes were superseded, and when what lay ahead has been passed.</summary>
    public async Task RunIfOwedAsync(CancellationToken cancellationToken)
    {
        var supersedings = session.Supersedings;
        if (_isDone && supersedings == _supersedings && !(session.Position > _ahead))
            return;
        var ahead = await RunAsync(cancellationToken).ConfigureAwait(false);
        // What an earlier session has left ahead is looked at once more; what comes later is this one's, which knows what it parks.
        _ahead = _isFirst ? ahead : null;
        (_isDone, _isFirst, _supersedings) = (true, false, supersedings);
    }

    /// <returns>Where the last one is that the destination has not passed yet; null: there is none.</returns>
    async Task<Lsn?> RunAsync(CancellationToken cancellationToken)
    {
        var passed = session.Position;
        Lsn? ahead = null;
        for (Position? after = null; ;)
        {
            var page = await letters.Store.ReadAsync(letters.Queue, null, after, Page, cancellationToken).ConfigureAwait(false);
            foreach (var table in page.Where(l => l.At.Commit < passed).GroupBy(l => l.Table))
            {
                if (await FindAsync(table.Key, [.. table.Select(l => l.At)], cancellationToken).ConfigureAwait(false) is not { Count: > 0 } suspects)
                    continue;
                IReadOnlyList<Position> orphans = [];
                await between(async token => orphans = await FindAsync(table.Key, suspects, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                if (orphans.Count > 0)
                    await letters.Store.RemoveAsync(letters.Queue, letters.Epoch, table.Key, orphans, cancellationToken).ConfigureAwait(false);
            }

            if (page.Count > 0 && page[^1].At.Commit is var last && last >= passed)
                ahead = last;
            if (page.Count == 0 && after is null)
                await letters.Store.NoteIfEmptyAsync(letters.Queue, letters.Epoch, cancellationToken).ConfigureAwait(false);
            if (page.Count < Page)
                return ahead;
            after = page[^1].At;
        }
    }

    async Task<IReadOnlyList<Position>> FindAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) =>
        [.. at.Except(await session.FindParkedAsync(table, at, cancellationToken).ConfigureAwait(false))];
}
