using System.Buffers;
using Rosetta.Core.Changes;

namespace Rosetta.Core.Options;

/// <summary>Changes in a pooled array that grows; the array goes to the batch that is made of it.</summary>
struct PooledChanges(int capacity)
{
    Change[] _array = ArrayPool<Change>.Shared.Rent(Math.Max(1, capacity));

    public int Count { get; private set; }

    public readonly Change[] Array => _array;

    public void Add(in Change change)
    {
        if (Count == _array.Length)
        {
            var larger = ArrayPool<Change>.Shared.Rent(_array.Length * 2);
            _array.AsSpan(0, Count).CopyTo(larger);
            ArrayPool<Change>.Shared.Return(_array);
            _array = larger;
        }

        _array[Count++] = change;
    }
}
