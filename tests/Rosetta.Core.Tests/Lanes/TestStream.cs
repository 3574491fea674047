using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tests.Changes;

namespace Rosetta.Core.Tests.Lanes;

/// <summary>
/// A source stream by hand. The n-th transaction commits at 100 n and ends at 100 n + 10. Batches of equal content have equal size.
/// </summary>
sealed class TestStream
{
    static readonly Relation Orders = Tuples.Relation("orders");
    readonly ChangeBatchBuilder _builder = new();
    ulong _number;

    public TestStream() => _builder.Build().Release(); // The first batch of a builder is larger than those that follow.

    /// <summary>Where the newest transaction ends.</summary>
    public Lsn End => new((_number * 100) + 10);

    /// <summary>Where the newest transaction commits.</summary>
    public Lsn Commit => new(_number * 100);

    /// <summary>A whole transaction.</summary>
    public ChangeBatch Transaction(int rows = 1)
    {
        Begin(rows);
        _builder.Commit(End);
        return _builder.Build();
    }

    /// <summary>The first piece of a transaction.</summary>
    public ChangeBatch First(int rows = 1)
    {
        Begin(rows);
        return _builder.Build();
    }

    /// <summary>Another piece, not the last.</summary>
    public ChangeBatch More(int rows = 1)
    {
        Insert(rows);
        return _builder.Build();
    }

    /// <summary>The last piece.</summary>
    public ChangeBatch Last(int rows = 1)
    {
        Insert(rows);
        _builder.Commit(End);
        return _builder.Build();
    }

    /// <summary>The last piece of one transaction and the first of the next.</summary>
    public ChangeBatch LastAndFirst()
    {
        Insert(1);
        _builder.Commit(End);
        Begin(1);
        return _builder.Build();
    }

    /// <summary>Progress without changes: 50 behind the last commit.</summary>
    public ChangeBatch Keepalive()
    {
        _builder.Advance(new Lsn((_number * 100) + 50));
        return _builder.Build();
    }

    void Begin(int rows)
    {
        _number++;
        _builder.Begin((uint)_number, Commit, (long)_number);
        Insert(rows);
    }

    void Insert(int rows)
    {
        for (var i = 0; i < rows; i++)
            _builder.AddInsert(Orders, Tuples.Text("1", "a"));
    }
}
