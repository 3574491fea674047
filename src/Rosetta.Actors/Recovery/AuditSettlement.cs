using Rosetta.Core.Destinations;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Completes what an incarnation that died has left open in the audit, before anything else is done with the queue: whether a change was discarded is what the
/// destination says, whether it was edited what the store has. What was not done is taken back; the order that wanted it does it anew.
/// </summary>
sealed class AuditSettlement(IDestinationSession session, LaneLetters letters, RecoveryRecords records)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var open = await records.Audit.OpenAsync(letters.Queue, cancellationToken).ConfigureAwait(false);
        foreach (var part in open.GroupBy(o => (o.RunId, o.IsEdit, o.Table)))
        {
            var ((run, isEdit, table), at) = (part.Key, part.Select(o => o.At).ToList());
            var there = await letters.Store.ReadAsync(letters.Queue, table, at, cancellationToken).ConfigureAwait(false);
            if (isEdit)
            {
                var edited = part.Where(o => there.Any(l => l.At == o.At && l.Payload.Span.SequenceEqual(o.Edited))).Select(o => o.At).ToList();
                await records.Audit.EndAsync(letters.Queue, letters.Epoch, run, table, edited, [.. at.Except(edited)], cancellationToken).ConfigureAwait(false);
                continue;
            }

            var parked = await session.FindParkedAsync(table, at, cancellationToken).ConfigureAwait(false);
            var gone = at.Except(parked).ToList();
            await records.Audit.EndAsync(letters.Queue, letters.Epoch, run, table, gone, parked, cancellationToken).ConfigureAwait(false);
            await letters.Store.RemoveAsync(letters.Queue, letters.Epoch, table, gone, cancellationToken).ConfigureAwait(false);
        }
    }
}
