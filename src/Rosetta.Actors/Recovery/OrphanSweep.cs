using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Takes payloads out of the store that nobody will ask for: of changes that the destination has passed and that are not parked there. One that it has not passed yet
/// may be about to be parked.
/// </summary>
sealed class OrphanSweep(IDestinationSession session, LaneLetters letters)
{
    const int Page = 500;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var passed = session.Position;
        for (Position? after = null; ;)
        {
            var page = await letters.Store.ReadAsync(letters.Queue, null, after, Page, cancellationToken).ConfigureAwait(false);
            foreach (var table in page.Where(l => l.At.Commit < passed).GroupBy(l => l.Table))
            {
                var parked = await session.FindParkedAsync(table.Key, [.. table.Select(l => l.At)], cancellationToken).ConfigureAwait(false);
                if (table.Select(l => l.At).Except(parked).ToList() is { Count: > 0 } orphans)
                    await letters.Store.RemoveAsync(letters.Queue, letters.Epoch, table.Key, orphans, cancellationToken).ConfigureAwait(false);
            }

            if (page.Count < Page)
                return;
            after = page[^1].At;
        }
    }
}
