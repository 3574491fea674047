using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Takes parked changes out for good. In this order: the audit says what is about to go, the destination lets go of it, the audit says that it has, the payload goes. A
/// death in between leaves an open record, which <see cref="AuditSettlement"/> completes, and at most a payload without a reason to be.
/// </summary>
/// <param name="between">Runs something between two groups of the stream.</param>
/// <param name="told">How many have gone.</param>
sealed class DiscardRun(
    IDestinationSession session, LaneLetters letters, RecoveryRecords records, RecoveryOrder order, Func<Func<CancellationToken, Task>, CancellationToken, Task> between, Action<long> told)
{
    const int Page = 500;

    long _gone;

    /// <param name="enough">Ends after the transaction at hand.</param>
    public async Task RunAsync(CancellationToken cancellationToken, CancellationToken enough)
    {
        // What an earlier incarnation has done of it, to the last one.
        Count(await records.Audit.CountAsync(order.Id, cancellationToken).ConfigureAwait(false));
        var request = order.Request;
        if (request.Entry is { } entry)
        {
            if (await letters.Store.FindAsync(letters.Queue, entry, cancellationToken).ConfigureAwait(false) is { } letter)
                await DiscardAsync(letter.Table, [letter.At], cancellationToken).ConfigureAwait(false);
            return;
        }

        foreach (var table in request.Table is { } named ? [TableName.Parse(named)] : session.Parked.Keys.ToList())
        {
            if (request.Class is { } errorClass)
                await OfClassAsync(table, errorClass, cancellationToken, enough).ConfigureAwait(false);
            else
                await AllAsync(table, cancellationToken, enough).ConfigureAwait(false);
        }
    }

    /// <summary>What the destination has of it, also where the payload was lost.</summary>
    async Task AllAsync(TableName table, CancellationToken cancellationToken, CancellationToken enough)
    {
        while (true)
        {
            var groups = await session.ListParkedAsync(table, Page, cancellationToken).ConfigureAwait(false);
            foreach (var part in groups.SelectMany(g => g.At).Order().Chunk(Page))
            {
                if (enough.IsCancellationRequested)
                    return;
                await DiscardAsync(table, part, cancellationToken).ConfigureAwait(false);
            }

            if (groups.Count == 0)
                return;
        }
    }

    async Task OfClassAsync(TableName table, ErrorClass errorClass, CancellationToken cancellationToken, CancellationToken enough)
    {
        for (Position? after = null; !enough.IsCancellationRequested;)
        {
            var page = await letters.Store.ReadAsync(letters.Queue, table, after, Page, cancellationToken).ConfigureAwait(false);
            var wanted = page.Where(l => l.Failure?.Class == errorClass).Select(l => l.At).ToList();
            if (wanted.Count > 0)
                await DiscardAsync(table, wanted, cancellationToken).ConfigureAwait(false);
            if (page.Count < Page)
                return;
            after = page[^1].At;
        }
    }

    async Task DiscardAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        // A payload alone is no parked change: it may be about to become one.
        var parked = await session.FindParkedAsync(table, at, cancellationToken).ConfigureAwait(false);
        if (parked.Count == 0)
            return;
        var known = await letters.Store.ReadAsync(letters.Queue, table, parked, cancellationToken).ConfigureAwait(false);
        await records.Audit.BeginDiscardAsync(letters.Queue, letters.Epoch, order, table, parked, known, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.DiscardAudited);
        IReadOnlyList<Position> taken = [];
        await between(async token => taken = await session.DiscardAsync(table, parked, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.DiscardCommitted);
        await records.Audit.EndAsync(letters.Queue, letters.Epoch, order.Id, table, taken, [.. parked.Except(taken)], cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.DiscardNoted);
        await letters.Store.RemoveAsync(letters.Queue, letters.Epoch, table, parked, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.DiscardRemoved);
        Count(taken.Count);
    }

    void Count(long gone)
    {
        _gone += gone;
        told(_gone);
    }
}
