namespace Rosetta.Postgres.Destination.Statements;

/// <summary>
/// A temporary table that rows of one shape are loaded into, to be joined with their target. It is made once per connection and emptied by
/// COMMIT; when a transaction uses it again it is truncated first.
/// </summary>
sealed class StageTable(string name, string createSql, string copySql)
{
    public string Name { get; } = name;

    public string CreateSql { get; } = createSql;

    public string CopySql { get; } = copySql;

    /// <summary>It exists, in this transaction at least.</summary>
    public bool Exists { get; set; }

    /// <summary>It was created by the transaction under way, and goes with it.</summary>
    public bool IsNew { get; set; }

    /// <summary>It holds rows of an earlier run of the transaction under way.</summary>
    public bool HasRows { get; set; }
}
