namespace Rosetta.Postgres.Destination.Statements;

/// <summary>
/// A temporary table that rows of one shape are loaded into, to be joined with their target. It is made once per connection and emptied by
/// COMMIT; when a transaction uses it again it is truncated first. Truncating it costs the server as much as some 300 rows, and new plans; so where a
/// transaction uses it for many short runs each row has its run's number, and it is truncated when much has gathered.
/// </summary>
sealed class StageTable(string name, string createSql, string copySql, bool isNumbered)
{
    /// <summary>Of rows with the number of their run. Those of other runs are passed over, at a hundredth of what applying one costs.</summary>
    const int MostNumbered = 4096;

    public string Name { get; } = name;

    public string CreateSql { get; } = createSql;

    public string CopySql { get; } = copySql;

    /// <summary>It exists, in this transaction at least.</summary>
    public bool Exists { get; set; }

    /// <summary>It was created by the transaction under way, and goes with it.</summary>
    public bool IsNew { get; set; }

    /// <summary>Rows of earlier runs of the transaction under way, also of such as were taken back.</summary>
    public int Rows { get; set; }

    /// <summary>More rows can come only when it has been truncated.</summary>
    public bool IsFull => Rows > (isNumbered ? MostNumbered : 0);
}
