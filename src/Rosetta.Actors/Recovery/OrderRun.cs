using Rosetta.Actors.Destinations;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Recovery;

/// <summary>Carries out one order of an operator, whatever tries the changes have had. What an incarnation that died had begun goes on.</summary>
sealed class OrderRun(LaneContext context, IDestinationSession session, LandingGate gate, LaneLetters letters, RecoveryRecords records, ParkedMetrics metrics, TimeProvider time)
{
    /// <exception cref="Exception">It cannot be carried out now; it rests, and says why.</exception>
    public async Task RunAsync(LaneOrder lane, CancellationToken cancellationToken)
    {
        if (!lane.TryBegin())
            return;
        try
        {
            // From the row, where it may have been called off meanwhile.
            lane.End(await records.Orders.BeginAsync(lane.Order, letters.Epoch, cancellationToken).ConfigureAwait(false) is { } order
                ? await RunAsync(lane, order, cancellationToken).ConfigureAwait(false)
                : new RecoveryReport("CANCELLED", lane.Order.Counts));
        }
        catch (OperationCanceledException) when (lane.Enough.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            lane.Rest(null);
        }
        catch (FormatException e)
        {
            // A payload that cannot be read will not get better.
            lane.End(new RecoveryReport("FAILED", lane.Order.Counts, Error: e.Message));
        }
        catch (Exception e)
        {
            var fault = cancellationToken.IsCancellationRequested ? null : Core.Errors.ErrorPolicy.ToFault(e);
            lane.Rest(fault is null ? null : $"It cannot go on now, and will: {fault.Reason} {fault.Remedy}".TrimEnd());
            throw;
        }
    }

    async Task<RecoveryReport> RunAsync(LaneOrder lane, RecoveryOrder order, CancellationToken cancellationToken)
    {
        // Called off while it waits for its place: it ends there. Once it has it, it ends after the transaction.
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lane.Enough);
        var token = either.Token;
        switch (order.Request.Kind)
        {
            case RecoveryKind.Recover:
                return await RecoverAsync(lane, order, BetweenAsync, cancellationToken).ConfigureAwait(false);
            case RecoveryKind.Retry:
                lane.Progress(new RecoveryCounts());
                var retried = await new EntryRetry(session, letters, records, BetweenAsync, time).RunAsync(order, cancellationToken).ConfigureAwait(false);
                metrics.CountRecovered(retried.Counts.Recovered);
                return retried;
            default:
                var counts = new RecoveryCounts();
                await new DiscardRun(session, letters, records, order, BetweenAsync, gone => lane.Progress(counts = new RecoveryCounts(Discarded: gone)))
                    .RunAsync(cancellationToken, lane.Enough).ConfigureAwait(false);
                if (lane.Enough.IsCancellationRequested)
                    return new RecoveryReport("CANCELLED", counts);
                return order.Request.Entry is { } entry && counts.Discarded == 0
                    ? RecoveryReport.NotParked(entry, counts)
                    : new RecoveryReport("COMPLETED", counts);
        }

        Task BetweenAsync(Func<CancellationToken, Task> work, CancellationToken ignored) => gate.PassAsync(context.Lane.Passed, work, token);
    }

    async Task<RecoveryReport> RecoverAsync(
        LaneOrder lane, RecoveryOrder order, Func<Func<CancellationToken, Task>, CancellationToken, Task> between, CancellationToken cancellationToken)
    {
        var counts = order.Counts with { Failed = 0, Remaining = 0, Lost = 0 };
        var before = counts.Recovered;
        var (table, errorClass) = (order.Request.Table is { } named ? TableName.Parse(named) : (TableName?)null, order.Request.Class);
        var run = new RecoveryRun(
            session, letters.Store, letters.Queue, letters.Epoch, between, letters.Limits, group => errorClass is null || group.Any(l => l.Failure?.Class == errorClass), time)
        {
            Told = t => lane.Progress(counts = new RecoveryCounts(before + t.Recovered, t.Failed, t.Remaining, t.Lost)),
        };
        try
        {
            await run.RunAsync(table, cancellationToken, lane.Enough).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (lane.Enough.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new RecoveryReport("CANCELLED", counts);
        }
        finally
        {
            metrics.CountRecovered(run.Tally.Recovered);
        }

        return new RecoveryReport(lane.Enough.IsCancellationRequested && counts.Remaining > 0 ? "CANCELLED" : "COMPLETED", counts);
    }
}
