using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Corybant
{
    /// <summary>Reads JSON into Dictionary, List, string, double, bool and null. Small on purpose: the stage's text
    /// messages are short, and this way the decoder needs neither a package nor UnityEngine.</summary>
    /// <exception cref="FormatException">what is not JSON, or nested deeper than 32</exception>
    public sealed class Json
    {
        const int MaxDepth = 32;
        readonly string _text;
        int _at;

        Json(string text) { _text = text; }

        public static object Parse(string text)
        {
            var reader = new Json(text);
            object value = reader.Value(0);
            reader.Space();
            if (reader._at != text.Length) throw new FormatException("text after the JSON value");
            return value;
        }

        object Value(int depth)
        {
            if (depth > MaxDepth) throw new FormatException("nested too deeply");
            Space();
            switch (Peek())
            {
                case '{': return Object(depth);
                case '[': return Array(depth);
                case '"': return Text();
                case 't': return Word("true", true);
                case 'f': return Word("false", false);
                case 'n': return Word("null", null);
                default: return Number();
            }
        }

        Dictionary<string, object> Object(int depth)
        {
            var members = new Dictionary<string, object>();
            _at++;
            Space();
            if (Peek() == '}') { _at++; return members; }
            while (true)
            {
                Space();
                string name = Text();
                Space();
                Take(':');
                members[name] = Value(depth + 1);
                Space();
                if (Peek() == '}') { _at++; return members; }
                Take(',');
            }
        }

        List<object> Array(int depth)
        {
            var items = new List<object>();
            _at++;
            Space();
            if (Peek() == ']') { _at++; return items; }
            while (true)
            {
                items.Add(Value(depth + 1));
                Space();
                if (Peek() == ']') { _at++; return items; }
                Take(',');
            }
        }

        string Text()
        {
            Take('"');
            var text = new StringBuilder();
            while (Peek() != '"')
            {
                char c = _text[_at++];
                text.Append(c == '\\' ? Escaped() : c);
            }
            _at++;
            return text.ToString();
        }

        char Escaped()
        {
            char c = Peek();
            _at++;
            switch (c)
            {
                case 'n': return '\n';
                case 't': return '\t';
                case 'r': return '\r';
                case 'b': return '\b';
                case 'f': return '\f';
                case 'u':
                    if (_at + 4 > _text.Length) throw new FormatException("the text ends in an escape");
                    _at += 4;
                    return (char)ushort.Parse(_text.Substring(_at - 4, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                case '"': case '\\': case '/': return c;
                default: throw new FormatException("no escape: " + c);
            }
        }

        object Number()
        {
            int start = _at;
            while (_at < _text.Length && "+-.eE0123456789".IndexOf(_text[_at]) >= 0) _at++;
            double value;
            if (!double.TryParse(_text.Substring(start, _at - start), NumberStyles.Float, CultureInfo.InvariantCulture, out value))
                throw new FormatException("no JSON value at " + start);
            return value;
        }

        object Word(string word, object value)
        {
            if (string.CompareOrdinal(_text, _at, word, 0, word.Length) != 0) throw new FormatException("no JSON value at " + _at);
            _at += word.Length;
            return value;
        }

        char Peek()
        {
            if (_at >= _text.Length) throw new FormatException("the text ends too early");
            return _text[_at];
        }

        void Take(char wanted)
        {
            if (Peek() != wanted) throw new FormatException("expected " + wanted + " at " + _at);
            _at++;
        }

        void Space()
        {
            while (_at < _text.Length && (_text[_at] == ' ' || _text[_at] == '\n' || _text[_at] == '\r' || _text[_at] == '\t')) _at++;
        }
    }
}
