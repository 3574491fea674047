using System.Text;
using System.Text.Json;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Compilation;

/// <summary>
/// From columns, filter and custom SQL to a transform that can run, or to what is wrong with them: parse with DuckDB's parser, check the tree, write
/// it anew, bind it to the table's columns and types.
/// </summary>
public static class TransformCompiler
{
    const string FilterField = "filter_sql", CustomField = "custom_sql", ColumnsField = "columns";

    /// <summary>NAMEDATALEN - 1.</summary>
    const int MaxName = 63;

    /// <summary>A user waits, or a relation has just changed: a few milliseconds.</summary>
    public static CompileResult Compile(TransformRequest request, DuckEngine engine)
    {
        var problems = new List<TransformProblem>();
        if (request.Chosen is { } chosen)
        {
            foreach (var name in chosen.Where(n => request.Columns.All(c => c.Name != n)))
                problems.Add(new TransformProblem(ColumnsField, $"table {request.Table} has no column {name}"));
            foreach (var key in request.Key.Where(k => !chosen.Contains(k)))
                problems.Add(new TransformProblem(ColumnsField, $"must contain the key column {key}"));
        }

        if (problems.Count > 0)
            return new CompileResult(null, problems);
        using var connection = engine.Connect();
        return new Run(request, connection, problems).Compile();
    }

    sealed class Run(TransformRequest request, DuckConnection connection, List<TransformProblem> problems)
    {
        readonly ColumnScope _scope = new(request.Table, request.Columns);
        readonly List<string> _conditions = [];
        readonly List<JsonElement> _conditionTrees = [];
        readonly SortedSet<int> _filterReads = [];

        public CompileResult Compile()
        {
            var output = new List<OutputColumn>();
            // One reader: its bounds hold for all expressions of the transform together.
            var reader = new ExpressionReader(_scope);
            if (request.FilterSql is { } filter)
                Try(FilterField, () => AddCondition(reader, SelectReader.Condition(connection, filter)));
            if (request.CustomSql is { } custom)
                Try(CustomField, () => ReadSelect(reader, custom, output));
            else
                Star([], [], output, reader);
            Name(output);
            if (problems.Count == 0)
                Bind(output);
            if (problems.Count > 0)
                return new CompileResult(null, problems);
            var condition = _conditions.Count == 0 ? null : string.Join(" AND ", _conditions);
            return new CompileResult(
                new CompiledTransform(request, output, condition, [.. _filterReads], [.. Enumerable.Range(0, request.Columns.Count).Select(_scope.NameOf)])
                {
                    Pushdown = FilterPushdown.Of(_conditionTrees, _scope),
                }, []);
        }

        void Try(string field, Action work)
        {
            try
            {
                work();
            }
            catch (RefusedException e)
            {
                problems.Add(new TransformProblem(field, e.Message));
            }
        }

        void AddCondition(ExpressionReader reader, JsonElement tree)
        {
            _scope.ForgetReads();
            _conditions.Add(reader.Read(tree));
            _conditionTrees.Add(tree);
            _filterReads.UnionWith(_scope.Read);
        }

        void ReadSelect(ExpressionReader reader, string custom, List<OutputColumn> output)
        {
            var select = SelectReader.Select(connection, custom, _scope);
            foreach (var item in select.GetProperty("select_list").EnumerateArray())
            {
                var alias = item.GetProperty("alias").GetString()!;
                switch (item.GetProperty("class").GetString())
                {
                    case "STAR":
                        ReadStar(reader, item, output);
                        break;
                    case "COLUMN_REF":
                        Pass(_scope.Find(ExpressionReader.Names(item)), alias, output);
                        break;
                    default:
                        Compute(reader, item, alias.Length > 0 ? alias : throw new RefusedException("a computed column needs a name: expression AS name"), output);
                        break;
                }
            }

            if (select.GetProperty("where_clause") is { ValueKind: JsonValueKind.Object } where)
                AddCondition(reader, where);
        }

        void ReadStar(ExpressionReader reader, JsonElement star, List<OutputColumn> output)
        {
            if (star.GetProperty("columns").GetBoolean() || star.GetProperty("expr").ValueKind != JsonValueKind.Null
                || star.GetProperty("qualified_exclude_list").GetArrayLength() > 0 || star.GetProperty("rename_list").GetArrayLength() > 0)
                throw new RefusedException("COLUMNS(...), * RENAME and patterns are not supported: * , * EXCLUDE (...) and * REPLACE (... AS name) are");
            if (star.GetProperty("relation_name").GetString() is { Length: > 0 } relation && !_scope.IsQualifier(relation))
                throw new RefusedException($"{relation}.* is not the table itself");
            var excluded = star.GetProperty("exclude_list").EnumerateArray().Select(e => _scope.Find([e.GetString()!])).ToHashSet();
            var replaced = star.GetProperty("replace_list").EnumerateArray().ToDictionary(e => _scope.Find([e.GetProperty("key").GetString()!]), e => e.GetProperty("value"));
            Star(excluded, replaced, output, reader);
        }

        void Star(HashSet<int> excluded, Dictionary<int, JsonElement> replaced, List<OutputColumn> output, ExpressionReader reader)
        {
            for (var i = 0; i < request.Columns.Count; i++)
            {
                var column = request.Columns[i];
                if (excluded.Contains(i) || column.IsGenerated)
                    continue;
                if (replaced.TryGetValue(i, out var expression))
                    Compute(reader, expression, column.Name, output);
                else if (request.Chosen?.Contains(column.Name) ?? true)
                    Pass(i, "", output);
            }
        }

        void Pass(int index, string alias, List<OutputColumn> output)
        {
            var column = request.Columns[index];
            if (column.IsGenerated)
                throw new RefusedException($"column {column.Name} is generated and not in the stream of changes; write its expression AS {column.Name} instead");
            if (!(request.Chosen?.Contains(column.Name) ?? true))
                throw new RefusedException($"column {column.Name} is not among the chosen columns");
            output.Add(new OutputColumn(alias.Length > 0 ? alias : column.Name, index, column.TypeSql, []));
        }

        void Compute(ExpressionReader reader, JsonElement tree, string name, List<OutputColumn> output)
        {
            _scope.ForgetReads();
            var sql = reader.Read(tree);
            output.Add(new OutputColumn(name, -1, "", [.. _scope.Read]) { Sql = sql, Computed = output.Count(c => c.IsComputed) });
        }

        /// <summary>Names are to be usable and different, and the key has to be there as it is.</summary>
        void Name(List<OutputColumn> output)
        {
            if (problems.Count > 0)
                return;
            var field = request.CustomSql is null ? ColumnsField : CustomField;
            foreach (var column in output.Where(c => c.Name.Length == 0 || Encoding.UTF8.GetByteCount(c.Name) > MaxName))
                problems.Add(new TransformProblem(field, $"'{column.Name}' is no name for a column; PostgreSQL takes 1 to {MaxName} bytes"));
            foreach (var twice in output.GroupBy(c => c.Name).Where(g => g.Count() > 1))
                problems.Add(new TransformProblem(field, $"there are two columns {twice.Key}; leave one out, for example with * EXCLUDE ({SqlIdentifier.Quote(twice.Key)})"));
            foreach (var key in request.Key.Where(k => !output.Any(c => c.Name == k && c.Source >= 0 && request.Columns[c.Source].Name == k)))
                problems.Add(new TransformProblem(field, $"the key column {key} has to be there unchanged and under its own name: rows are found by it"));
        }

        void Bind(List<OutputColumn> output)
        {
            var columns = request.Columns.Select((c, i) => (Type: ReadableType.Of(c), Name: SqlIdentifier.Quote(_scope.NameOf(i)), c.IsGenerated))
                .Where(c => c.Type is not null && !c.IsGenerated)
                .Select(c => $"CAST(NULL AS {c.Type!.Sql}) AS {c.Name}").DefaultIfEmpty("1");
            var relation = $"(SELECT {string.Join(", ", columns)})";
            foreach (var condition in _conditions)
            {
                var field = request.FilterSql is not null && condition == _conditions[0] ? FilterField : CustomField;
                if (Describe(field, condition, relation) is { } type && type != "BOOLEAN")
                    problems.Add(new TransformProblem(field, $"the condition is of type {type}, not BOOLEAN; compare it with something"));
            }

            for (var i = 0; i < output.Count; i++)
            {
                if (!output[i].IsComputed || Describe(CustomField, output[i].Sql!, relation, output[i].Name) is not { } duck)
                    continue;
                if (ComputedType.Of(duck, out var problem) is { } type)
                    output[i] = output[i] with { Type = type, TypeSql = type.Sql };
                else
                    problems.Add(new TransformProblem(CustomField, $"column {output[i].Name} is of type {duck}, which no PostgreSQL type takes; {problem}"));
            }
        }

        string? Describe(string field, string sql, string relation, string? name = null)
        {
            try
            {
                return connection.Query($"DESCRIBE SELECT {sql} AS x FROM {relation} AS t")[0][1];
            }
            catch (DuckException e)
            {
                problems.Add(new TransformProblem(field, name is null ? e.Message : $"column {name}: {e.Message}"));
                return null;
            }
        }
    }
}
