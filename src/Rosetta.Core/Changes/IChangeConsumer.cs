namespace Rosetta.Core.Changes;

/// <summary>Takes batches in stream order. The reader waits for it, and answers keepalives meanwhile, however long that takes.</summary>
public interface IChangeConsumer
{
    /// <summary>Takes one batch. The caller keeps its own hold and releases it afterwards: retain what outlives the call.</summary>
    ValueTask ConsumeAsync(ChangeBatch batch, CancellationToken cancellationToken);
}
