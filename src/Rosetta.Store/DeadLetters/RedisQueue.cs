namespace Rosetta.Store.DeadLetters;

/// <summary>What an incarnation knows of a queue. Its gate keeps "the first entry" and "the last one is gone" apart, between which the queue's mark changes.</summary>
sealed class RedisQueue
{
    public SemaphoreSlim Gate { get; } = new(1);

    /// <summary>The identity with which it is marked as one that may have entries; null: it is not.</summary>
    public Guid? Marked { get; set; }
}
