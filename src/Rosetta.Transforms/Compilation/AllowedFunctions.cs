namespace Rosetta.Transforms.Compilation;

/// <summary>How the size of a function's value follows from its arguments'.</summary>
enum GrowthRule
{
    /// <summary>A number, a date, true or false.</summary>
    Fixed,

    /// <summary>As long as its arguments together, times a factor.</summary>
    Times,

    /// <summary>The second argument is a number literal: so many times the first.</summary>
    Repeat,

    /// <summary>The second argument is a number literal: so many characters.</summary>
    Pad,

    /// <summary>The second and third arguments are text literals, one for the other.</summary>
    Replace,

    /// <summary>The same with a regular expression.</summary>
    RegexReplace,

    /// <summary>The second argument is a format literal.</summary>
    Format,
}

/// <param name="Least">Fewest arguments.</param>
/// <param name="Most">Most arguments.</param>
/// <param name="Literals">Bit per argument that has to be a literal: patterns, paths, units.</param>
sealed record AllowedFunction(string Name, GrowthRule Rule, double Factor, int Least, int Most, int Literals);

/// <summary>
/// The functions that an expression may call: those of DuckDB that are deterministic, look at nothing but their arguments, make no more rows, and
/// take time in proportion to their arguments. A list of what is allowed, so that a newer DuckDB brings nothing in unseen.
/// </summary>
static class AllowedFunctions
{
    const int Any = 64;

    static readonly Dictionary<string, AllowedFunction> All = Make().ToDictionary(f => f.Name, StringComparer.OrdinalIgnoreCase);

    public static AllowedFunction? Find(string name) => All.GetValueOrDefault(name);

    public static IEnumerable<string> Names => All.Keys;

    static IEnumerable<AllowedFunction> Make()
    {
        IEnumerable<AllowedFunction> Each(string names, GrowthRule rule, double factor, int least, int most, int literals = 0) =>
            names.Split(' ').Select(n => new AllowedFunction(n, rule, factor, least, most, literals));

        return
        [
            // Arithmetic.
            .. Each("+ -", GrowthRule.Fixed, 0, 1, 2),
            .. Each("* / // % & | << >> ** ^ xor divide multiply add subtract mod fmod fdiv pow power atan2 gcd greatest_common_divisor lcm least_common_multiple nextafter",
                GrowthRule.Fixed, 0, 2, 2),
            .. Each("abs @ sign ceil ceiling floor trunc even sqrt cbrt exp ln log2 log10 sin cos tan cot asin acos atan sinh cosh tanh asinh acosh atanh degrees radians signbit isfinite isinf isnan bit_count ~",
                GrowthRule.Fixed, 0, 1, 1),
            .. Each("round log", GrowthRule.Fixed, 0, 1, 2),
            .. Each("round_even roundbankers", GrowthRule.Fixed, 0, 2, 2),
            .. Each("pi", GrowthRule.Fixed, 0, 0, 0),
            .. Each("factorial gamma lgamma", GrowthRule.Fixed, 0, 1, 1),
            .. Each("greatest least", GrowthRule.Times, 1, 1, Any),
            .. Each("nullif", GrowthRule.Times, 1, 2, 2),

            // Text that stays as long as it is, or nearly.
            .. Each("lower lcase trim ltrim rtrim reverse strip_accents split_part left right left_grapheme right_grapheme substr substring substring_grapheme",
                GrowthRule.Times, 1, 1, 3),
            .. Each("upper ucase nfc_normalize translate", GrowthRule.Times, 3, 1, 3),
            .. Each("|| concat concat_ws", GrowthRule.Times, 1, 1, Any),
            .. Each("chr", GrowthRule.Fixed, 0, 1, 1),
            .. Each("repeat", GrowthRule.Repeat, 1, 2, 2, 0b10),
            .. Each("lpad rpad", GrowthRule.Pad, 1, 3, 3, 0b110),
            .. Each("replace", GrowthRule.Replace, 1, 3, 3, 0b110),
            .. Each("hex to_hex url_encode", GrowthRule.Times, 3, 1, 1),
            .. Each("base64 to_base64", GrowthRule.Times, 2, 1, 1),
            .. Each("bin to_binary", GrowthRule.Times, 8, 1, 1),
            .. Each("unhex from_hex unbin from_binary from_base64 url_decode encode decode", GrowthRule.Times, 1, 1, 1),
            .. Each("md5 sha1 sha256", GrowthRule.Fixed, 0, 1, 1),
            .. Each("md5_number md5_number_lower md5_number_upper", GrowthRule.Fixed, 0, 1, 1),

            // Questions about text.
            .. Each("length len char_length character_length strlen octet_length bit_length length_grapheme ascii ord unicode", GrowthRule.Fixed, 0, 1, 1),
            .. Each("contains starts_with ^@ prefix ends_with suffix instr strpos position", GrowthRule.Fixed, 0, 2, 2),
            .. Each("~~ !~~ ~~* !~~* ~~~", GrowthRule.Fixed, 0, 2, 2, 0b10),
            .. Each("like_escape not_like_escape ilike_escape not_ilike_escape", GrowthRule.Fixed, 0, 3, 3, 0b110),
            .. Each("regexp_matches regexp_full_match", GrowthRule.Fixed, 0, 2, 3, 0b110),
            .. Each("regexp_extract", GrowthRule.Times, 1, 2, 4, 0b1110),
            .. Each("regexp_replace", GrowthRule.RegexReplace, 1, 3, 4, 0b1110),
            .. Each("regexp_escape", GrowthRule.Times, 2, 1, 1),

            // Lists, on the way from one text to another.
            .. Each("string_split str_split split string_to_array", GrowthRule.Times, 24, 2, 2, 0b10),
            .. Each("list_extract array_extract list_element", GrowthRule.Times, 1, 2, 2),
            .. Each("list_contains array_contains list_has array_has list_position array_position", GrowthRule.Fixed, 0, 2, 2),
            .. Each("array_length", GrowthRule.Fixed, 0, 1, 1),
            .. Each("array_to_string", GrowthRule.Times, 2, 2, 2, 0b10),
            .. Each("list_value", GrowthRule.Times, 1, 1, Any),

            // Dates and times.
            .. Each("date_trunc datetrunc date_part datepart", GrowthRule.Fixed, 0, 2, 2, 0b1),
            .. Each("date_diff datediff date_sub datesub", GrowthRule.Fixed, 0, 3, 3, 0b1),
            .. Each("date_add age", GrowthRule.Fixed, 0, 2, 2),
            .. Each("year month day hour minute second millisecond microsecond nanosecond quarter week weekday weekofyear dayofweek isodow dayofmonth dayofyear isoyear yearweek decade century millennium era julian epoch epoch_ms epoch_us epoch_ns last_day dayname monthname to_timestamp days_in_month",
                GrowthRule.Fixed, 0, 1, 1),
            .. Each("make_date make_time", GrowthRule.Fixed, 0, 1, 3),
            .. Each("make_timestamp make_timestamptz", GrowthRule.Fixed, 0, 1, 7),
            .. Each("time_bucket", GrowthRule.Fixed, 0, 2, 3),
            .. Each("timezone", GrowthRule.Fixed, 0, 2, 2, 0b1),
            .. Each("to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds to_quarters to_decades to_centuries to_millennia",
                GrowthRule.Fixed, 0, 1, 1),
            .. Each("strftime", GrowthRule.Format, 32, 2, 2, 0b10),
            .. Each("strptime try_strptime", GrowthRule.Fixed, 0, 2, 2, 0b10),

            // JSON. No function that follows the depth of a value by calling itself.
            .. Each("-> ->> json_extract json_extract_path json_extract_string json_extract_path_text json_value", GrowthRule.Times, 2, 2, 2, 0b10),
            .. Each("json_exists", GrowthRule.Fixed, 0, 2, 2, 0b10),
            .. Each("json_type json_array_length", GrowthRule.Fixed, 0, 1, 2, 0b10),
            .. Each("json_valid", GrowthRule.Fixed, 0, 1, 1),
            .. Each("json_keys", GrowthRule.Times, 24, 1, 2, 0b10),
            .. Each("json_object json_array to_json json_quote", GrowthRule.Times, 7, 0, Any),

            // Identifiers.
            .. Each("uuid_extract_version uuid_extract_timestamp", GrowthRule.Fixed, 0, 1, 1),
        ];
    }
}
