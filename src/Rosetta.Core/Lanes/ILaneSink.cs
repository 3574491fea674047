using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Lanes;

/// <summary>Where a pump brings a lane's changes.</summary>
public interface ILaneSink
{
    /// <summary>Exclusive: everything with a commit LSN below is durable there.</summary>
    Lsn Passed { get; }

    /// <inheritdoc cref="IDestinationSession.ApplyAsync"/>
    ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken);

    /// <summary>The rest of a transaction of which a piece was applied does not come: as if it had not been.</summary>
    ValueTask RollbackAsync(CancellationToken cancellationToken);

    /// <summary>Everything below has been applied, or there was nothing.</summary>
    void Pass(Lsn position, long lastCommitTime);
}

/// <summary>A lane's destination.</summary>
/// <param name="rewriter">What becomes of the changes on their way; null: they go as they are.</param>
public sealed class DestinationSink(Lane lane, IDestinationSession session, IGroupRewriter? rewriter = null) : ILaneSink
{
    public Lsn Passed => lane.Passed;

    public async ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken)
    {
        if (rewriter is null)
            return await session.ApplyAsync(group, cancellationToken).ConfigureAwait(false);
        var rewritten = await rewriter.RewriteAsync(group.Batches, session, cancellationToken).ConfigureAwait(false);
        try
        {
            return await session.ApplyAsync(new ApplyGroup(rewritten), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (var batch in rewritten)
                batch.Release();
        }
    }

    public ValueTask RollbackAsync(CancellationToken cancellationToken) => session.RollbackAsync(cancellationToken);

    public void Pass(Lsn position, long lastCommitTime) => lane.Pass(position, lastCommitTime);
}
